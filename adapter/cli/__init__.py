"""The command line: one module for each command, and what people see in a terminal."""
