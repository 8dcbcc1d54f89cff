"""Tests of where the images of a dataset come from."""
