"""What the items of a dataset are read from."""
