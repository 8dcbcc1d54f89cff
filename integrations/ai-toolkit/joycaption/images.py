"""A job's images and their texts: which there are, and which of them are to be captioned."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

# The formats that the service reads. AI-Toolkit's jobs may name videos and sounds beside them.
FORMATS = frozenset("jpg jpeg jpe jfif png apng webp bmp dib gif tif tiff avif heic heif hif jxl".split())
# What OneTrainer keeps beside an image, which the service doesn't caption, either.
LABELS = ("-masklabel.png", "-condlabel.png")
CONTROLS = "_controls"  # AI-Toolkit's folder for control images, which have no captions


@dataclass(frozen=True)
class Images:
    """The absolute, sorted paths of all images, and those `wanted`: all, or those without a text."""

    all: Sequence[str]
    wanted: Sequence[str]


def find_images(folder: str, formats: Collection[str], extension: str, *, recaption: bool) -> Images:
    """Gives a folder's images, as AI-Toolkit finds them: hidden ones and those of controls are left out, and
    so are masks and conditions of other images.

    A text of blanks counts as none. `formats` are extensions without a dot.
    """
    endings = tuple(f".{one.lower().lstrip('.')}" for one in formats)
    found = []
    for place, folders, names in os.walk(os.path.abspath(folder)):
        folders[:] = [name for name in folders if name != CONTROLS and not name.startswith(".")]
        found += [
            os.path.join(place, name)
            for name in names
            if name.lower().endswith(endings) and not name.lower().endswith(LABELS) and name[0] != "."
        ]
    found.sort()
    wanted = found if recaption else [image for image in found if not read_text(text_path(image, extension))]
    return Images(found, wanted)


def text_path(image: str, extension: str) -> str:
    """Gives the path of an image's text."""
    return os.path.splitext(image)[0] + extension


def read_text(path: str) -> bytes:
    """Gives a text as it is, empty where there is none but blanks. Raises OSError where it can't be read."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except FileNotFoundError:
        return b""
    return content if content.strip() else b""
