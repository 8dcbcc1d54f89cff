"""Tests of adapter.web.openai."""
