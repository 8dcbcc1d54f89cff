"""The captioning service: one way from an image to its caption, and the faces it is reached through."""

__version__ = "0.1.0"
