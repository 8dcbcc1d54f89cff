"""Tests of where the texts of a dataset live."""
