"""Tests of adapter.web.legacy."""
