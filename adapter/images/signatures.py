"""Tells by its first bytes which format an image file has, for files that come without a name. Pure."""

# What files of each format begin with, from the formats' own specifications.
SIGNATURES = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"GIF8", ".gif"),
    (b"BM", ".bmp"),
    (b"II*\0", ".tif"),
    (b"MM\0*", ".tif"),
    (b"II+\0", ".tif"),
    (b"MM\0+", ".tif"),
    (b"\xff\x0a", ".jxl"),
    (b"\0\0\0\x0cJXL ", ".jxl"),
)
UNKNOWN = ".bin"


def extension_of(data: bytes) -> str:
    """Gives the file name extension of the image's format, with its dot; `.bin` for one that isn't known."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    if data[4:8] == b"ftyp":
        return ".avif" if data[8:12] in (b"avif", b"avis") else ".heic"
    return next((extension for start, extension in SIGNATURES if data.startswith(start)), UNKNOWN)
