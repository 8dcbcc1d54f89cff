"""Tests of the way from an image to the pixels that the model gets."""
