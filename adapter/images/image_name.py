"""Tells by names which files are images to caption, and which are images that say something about others.

Whether there is an image in them is left to `pixels`.
"""

import os

from adapter.images.pixels import EXTENSIONS

# Beside `a.jpg` OneTrainer keeps which part of it counts, and what conditions it, as `a-masklabel.png` and
# `a-condlabel.png`. AI-Toolkit keeps control images in folders of their own.
LABEL_ENDINGS = ("-masklabel.png", "-condlabel.png")
CONTROL_FOLDER = "_controls"


def has_image_extension(name: str) -> bool:
    """Tells whether a file's name ends as an image's does, in any case."""
    return os.path.splitext(name)[1].lower() in EXTENSIONS


def is_label(name: str) -> bool:
    """Tells whether the file is a mask or a condition of another image."""
    return name.lower().endswith(LABEL_ENDINGS)


def is_image_name(name: str) -> bool:
    """Tells whether a file of that name is an image to caption."""
    return has_image_extension(name) and not is_label(name)


def is_set_aside(key: str) -> bool:
    """Tells whether a relative path leads to a label, or into a folder without images to caption."""
    *folders, name = key.split(os.sep)
    return is_label(name) or not all(map(may_hold_images, folders))


def may_hold_images(folder: str) -> bool:
    """Tells whether a folder of that name can have images to caption in it."""
    return folder != CONTROL_FOLDER
