"""Tests of adapter.dataset.review."""
