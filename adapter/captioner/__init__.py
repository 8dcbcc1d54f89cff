"""The one way from an image and a request to an answer: admission, turns, the engine, asking again."""
