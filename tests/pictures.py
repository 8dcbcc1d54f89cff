"""Pictures for tests."""

from PIL import Image


def gradient(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    """A picture in which every place differs."""
    parts = [Image.linear_gradient("L"), Image.radial_gradient("L"), Image.linear_gradient("L").rotate(90)]
    return Image.merge("RGB", parts).resize(size).convert(mode)
