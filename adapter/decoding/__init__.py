"""Decoding in processes that may die: a hostile file costs itself, never the service."""
