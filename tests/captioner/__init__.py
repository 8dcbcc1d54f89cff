"""Tests of the one way to an answer, against the fake engine."""
