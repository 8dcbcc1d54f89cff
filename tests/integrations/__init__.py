"""What other programs load."""
