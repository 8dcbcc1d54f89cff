"""What is asked of the model and what came back. Pure: no files, no network, no clock."""
