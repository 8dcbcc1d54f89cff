"""Where the texts of a dataset live, and how they are replaced."""
