"""Draws pictures for tests, and makes files of them."""

import io
import random
from typing import Any

from PIL import Image

# How many cells of noise there are in a row, and how strong: photographs have fainter detail at finer scales.
SCALES = ((4, 1.0), (16, 0.3), (64, 0.1), (256, 0.03), (1024, 0.01))


def gradient(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """Draws a picture in which every place differs."""
    parts = [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.linear_gradient("L").rotate(90)]
    return Image.merge("RGB", parts).resize(size).convert(mode)


def photograph(width: int, height: int) -> Image.Image:
    """Draws a picture that is as detailed as a photograph, the same one each time."""
    chance = random.Random(1)
    picture = Image.new("RGB", (width, height))
    for cells, strength in SCALES:
        size = (min(cells, width), max(1, min(cells * height // width, height)))
        noise = Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1]))
        picture = Image.blend(picture, noise.resize((width, height), Image.Resampling.BICUBIC), strength)
    return picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Gives the file that Pillow makes of the picture."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


GREY_PNG = encoded(Image.linear_gradient("L").convert("RGB"), "PNG")  # 256 x 256, all shades of grey
