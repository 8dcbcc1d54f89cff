"""Tests of adapter.web, most of them on the whole service with a fake engine behind it."""
