"""Stands in for AI-Toolkit."""
