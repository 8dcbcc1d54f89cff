"""Files that mean harm or are broken, each with a name that says how. Made anew, the same each time."""

import itertools
import random
import struct
import zlib
from collections.abc import Iterator

import pillow_heif
import pillow_jxl  # noqa: F401 - registers itself
from PIL import Image, TiffImagePlugin

from tests.pictures import encoded, gradient

pillow_heif.register_heif_opener()

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF", "JXL")
CUTS = (1, 2, 4, 8, 12, 16, 26, 40, 80, 150, 300, 0.3, 0.5, 0.7, 0.9, -1)
PATCHES = 12


def picture(mode: str = "RGB", size: tuple[int, int] = (80, 60)) -> Image.Image:
    """A small one."""
    return gradient(size, mode)


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """Names and contents; over 300 of them."""
    whole = {kind: encoded(picture(), kind) for kind in KINDS}
    yield from truncated(whole)
    yield from patched(whole)
    yield from wrong_headers(whole)
    yield from bombs()
    yield from odd_pictures()
    yield from corrupt_metadata()
    yield from polyglots(whole)


def truncated(whole: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """At every kind of place: in the signature, the header, the pixels, the last byte."""
    for (kind, data), cut in itertools.product(whole.items(), CUTS):
        end = int(len(data) * cut) if isinstance(cut, float) else cut
        yield f"truncated-{cut}.{kind.lower()}", data[:end]


def patched(whole: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Bytes replaced by others, in the header and anywhere."""
    chance = random.Random(6)
    for kind, data in whole.items():
        for number in range(PATCHES):
            broken = bytearray(data)
            reach = 64 if number % 2 else len(data)
            for _ in range(1 + number):
                broken[chance.randrange(min(reach, len(data)))] = chance.randrange(256)
            yield f"patched-{number}.{kind.lower()}", bytes(broken)


def wrong_headers(whole: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """What the name or the first bytes promise isn't what follows."""
    yield "empty.png", b""
    yield "nul.jpg", bytes(4096)
    yield "text.jpg", b"just text\n" * 100
    yield "script.png", b"#!/bin/sh\necho hello\n"
    yield "vector.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>"
    yield "postscript.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nquit\n"
    yield "page.pdf", b"%PDF-1.7\n1 0 obj<<>>endobj\n"
    for kind, other in itertools.permutations(("JPEG", "PNG", "GIF", "WEBP"), 2):
        yield f"{kind}-head-on.{other.lower()}", whole[kind][:8] + whole[other][8:]


def part(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG by hand, with whatever its header claims."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows, 9)) + part(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def bombs() -> Iterator[tuple[str, bytes]]:
    """Small files that would be large pictures, or claim to be."""
    claims = ((30000, 30000), (65535, 65535), (2**31 - 1, 1), (1, 2**31 - 1), (2**31 - 1, 2**31 - 1), (0, 0))
    for width, height in claims:
        yield f"bomb-{width}x{height}.png", png(width, height, b"\0" * 1000)
    for kind in ("JPEG", "PNG", "GIF", "TIFF", "BMP"):
        data = encoded(Image.new("1" if kind == "TIFF" else "L", (9000, 9000)), kind)
        yield f"bomb-9000.{kind.lower()}", data
    yield "bomb-16383.webp", encoded(Image.new("RGB", (16383, 4800)), "WEBP", quality=1, method=0)
    yield "bomb-claim.gif", b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\0\0\0," + bytes(9)
    yield "bomb-claim.bmp", encoded(picture(), "BMP")[:18] + struct.pack("<ii", 60000, 60000) + bytes(4000)
    yield "bomb-negative.bmp", encoded(picture(), "BMP")[:18] + struct.pack("<ii", 60, -(2**31)) + bytes(400)
    yield "bomb-rows.png", png(100, 100, b"\0" * 50_000_000)
    text = part(b"zTXt", b"key\0\0" + zlib.compress(b"\0" * 100_000_000, 9))
    yield "bomb-text.png", png(9, 9, b"")[:33] + text
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[TiffImagePlugin.ROWSPERSTRIP] = 2**31 - 1
    yield "bomb-strip.tif", encoded(picture(), "TIFF", tiffinfo=tags)


def odd_pictures() -> Iterator[tuple[str, bytes]]:
    """Right, and unusual."""
    yield "1x1.png", encoded(picture(size=(1, 1)), "PNG")
    yield "1x60000.png", encoded(picture(size=(1, 60000)), "PNG")
    yield "60000x1.jpg", encoded(picture(size=(60000, 1)), "JPEG")
    frames = [picture("P", (16, 16)) for _ in range(499)]
    frames = [frame.rotate(number) for number, frame in enumerate(frames)]
    yield "500-frames.gif", encoded(picture("P", (16, 16)), "GIF", save_all=True, append_images=frames)
    yield "frames.webp", encoded(picture(), "WEBP", save_all=True, append_images=[picture()] * 30)
    yield "frames.apng", encoded(picture(), "PNG", save_all=True, append_images=[picture()] * 5)
    yield "pages.tif", encoded(picture(), "TIFF", save_all=True, append_images=[picture()] * 5)
    for mode in ("CMYK", "YCbCr", "LAB", "I;16", "I", "F", "1", "LA", "RGBA", "PA"):
        kind = "PNG" if mode in ("LA", "1", "I;16") else "TIFF"
        if mode == "LAB":
            image = Image.new("LAB", (9, 9))
        elif mode == "PA":
            image, kind = picture("RGBA").quantize(16), "PNG"
        else:
            image = picture("L" if mode in ("I;16", "I", "F") else "RGB").convert(mode)
        yield f"mode-{mode.replace(';', '')}.{kind.lower()}", encoded(image, kind)
    yield "cmyk.jpg", encoded(picture("CMYK"), "JPEG")
    for compression in ("tiff_lzw", "tiff_deflate", "packbits", "jpeg"):
        yield f"{compression}.tif", encoded(picture(), "TIFF", compression=compression)
    yield "progressive.jpg", encoded(picture(), "JPEG", progressive=True)


def corrupt_metadata() -> Iterator[tuple[str, bytes]]:
    """Around a picture that is right."""
    blobs = (b"", b"\0", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0II*\0" + b"\xff" * 200)
    loop = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x87\x69\0\x04\0\0\0\x01\0\0\0\x08\0\0\0\x08"
    for number, blob in enumerate((*blobs, loop, b"Exif\0\0" + random.Random(1).randbytes(5000))):
        for kind in ("JPEG", "WEBP", "PNG"):
            yield f"exif-{number}.{kind.lower()}", encoded(picture(), kind, exif=blob)
    for number, blob in enumerate((b"x", b"\0" * 128, random.Random(2).randbytes(3000))):
        for kind in ("JPEG", "WEBP", "PNG", "TIFF"):
            yield f"icc-{number}.{kind.lower()}", encoded(picture(), kind, icc_profile=blob)
    for orientation in (0, 9, 65535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation-{orientation}.jpg", encoded(picture(), "JPEG", exif=exif)


def polyglots(whole: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """One file that is two."""
    yield "gif-script.gif", whole["GIF"] + b"\n<script>alert(1)</script>"
    yield "jpeg-zip.jpg", whole["JPEG"] + b"PK\x03\x04" + bytes(200) + b"PK\x05\x06" + bytes(18)
    yield "png-png.png", whole["PNG"] + whole["PNG"]
    yield "pdf-jpeg.jpg", b"%PDF-1.4\n" + whole["JPEG"]
    yield "html-png.png", b"<html>" + whole["PNG"]
    yield "webp-riff.webp", b"RIFF\x04\0\0\0WAVEfmt " + whole["WEBP"]
