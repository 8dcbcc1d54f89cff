"""Tests of what is asked of the model and what came back: all of them pure."""
