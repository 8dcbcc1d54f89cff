"""From where an image lies to the pixels that the model was trained on. The only importer of PIL."""
