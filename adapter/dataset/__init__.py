"""Captioning datasets, as a library: it knows no terminal and no HTTP."""
