"""The face that OpenAI's clients speak to. Only here is the `openai` package imported, for its types."""
