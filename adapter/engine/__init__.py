"""Everything about the vLLM server: starting, watching, checking and asking it."""
