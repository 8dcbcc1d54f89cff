"""Looking at a dataset's images with their texts, and mending these: what a page or a script needs for it."""
