"""Against the real vLLM CPU engine with the demonstration model."""
