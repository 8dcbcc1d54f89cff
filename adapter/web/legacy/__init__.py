"""The face that AI-Toolkit's web UI speaks to: the routes of the legacy REST contract."""
