"""The tests, by module; `e2e` holds those against the real engine."""
