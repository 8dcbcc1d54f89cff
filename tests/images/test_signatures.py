"""Formats by their first bytes."""

import pytest
from PIL import Image

from adapter.images.pixels import EXTENSIONS_OF
from adapter.images.signatures import extension_of
from tests.pictures import encoded


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_each_format_is_known_by_its_first_bytes(kind: str) -> None:
    """The extension is one that such files are taken by."""
    data = encoded(Image.new("RGB", (4, 4)), kind)
    assert extension_of(data) in EXTENSIONS_OF[kind].split()


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"\0\0\0 ftypavif\0\0", ".avif"),
        (b"\0\0\0 ftypheic\0\0", ".heic"),
        (b"\xff\x0a\xfa", ".jxl"),
        (b"\0\0\0\x0cJXL \r\n", ".jxl"),
        (b"MM\0+\0", ".tif"),
        (b"RIFF\0\0\0\0WAVE", ".bin"),
        (b"", ".bin"),
    ],
)
def test_formats_of_further_decoders_are_known_too(start: bytes, expected: str) -> None:
    """What is none has an extension that nothing takes for an image's."""
    assert extension_of(start) == expected
