"""The dataset command."""
