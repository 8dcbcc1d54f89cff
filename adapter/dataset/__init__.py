"""The dataset command: captions for folders of images."""
