"""From a file's bytes to the pixels that JoyCaption was trained with, and on to a data URL.

The only importer of PIL, whose errors end here.
"""

import io
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal

import pybase64
from PIL import ExifTags, Image, ImageDraw, features

from adapter.errors import ImageDamagedError, ImageTooLargeError, NotAnImageError
from adapter.images.sources import ImageLimits

# Each scan of a progressive JPEG goes over all of its pixels. Encoders make some ten; libjpeg allows 64
# kinds.
JPEG_SCAN, MAX_JPEG_SCANS = b"\xff\xda", 100
SIDE_PX = 384  # SigLIP so400m/14-384, the model's own input
# The file name extensions of each format, as Pillow and its plugins register them.
EXTENSIONS_OF = {
    "JPEG": ".jpg .jpeg .jpe .jfif",
    "PNG": ".png .apng",
    "WEBP": ".webp",
    "BMP": ".bmp .dib",
    "GIF": ".gif",
    "TIFF": ".tif .tiff",
}
# These are read where their decoders are there: in Pillow's own build, or installed beside it (`formats`).
if features.check("avif"):
    EXTENSIONS_OF["AVIF"] = ".avif"
if find_spec("pillow_heif"):
    EXTENSIONS_OF["HEIF"] = ".heic .heif .hif"
if find_spec("pillow_jxl"):
    EXTENSIONS_OF["JXL"] = ".jxl"
FORMATS = tuple(EXTENSIONS_OF)
EXTENSIONS = frozenset(" ".join(EXTENSIONS_OF.values()).split())
EXACT_PIXELS = 2_000_000  # up to this size, an image always gets exactly the reference's bits
DRAFT_SIDE_PX = 3 * SIDE_PX  # twice leaves differences of up to 5 of 255 (bench/README.md)
LANCZOS = Image.Resampling.LANCZOS
WHITE = (255, 255, 255, 255)
BAND_PX = 2**20  # converted at one time, so that a large picture needs little memory beyond its own
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # undoes each EXIF orientation (Exif 2.32, 4.6.4)
# What Pillow's decoders raise on damaged data, as seen in its plugins' sources.
DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    AssertionError,
    struct.error,
    zlib.error,
    RuntimeError,
)
Kind = Literal["bmp", "png", "webp", "whole"]
MAX_WEBP_PX = 16_383  # a side; the format's own limit
THUMBNAIL_PX = 320  # the longer side
Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and a setting


def open_image(data: bytes, limits: ImageLimits) -> Image.Image:
    """Opens the picture in `data` by its header alone, which is cheap; its pixels may still be damaged.

    Raises NotAnImageError, ImageTooLargeError.
    """
    _register_plugins()
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except MemoryError as error:
        raise _too_much_memory() from error
    except DECODE_ERRORS as error:
        raise NotAnImageError(f"Not an image in one of the formats {', '.join(FORMATS)}") from error
    if image.format == "JPEG" and data.count(JPEG_SCAN) > MAX_JPEG_SCANS:
        image.close()
        raise ImageTooLargeError(f"The image has more than {MAX_JPEG_SCANS} scans")
    if image.width * image.height > limits.max_pixels:
        image.close()
        raise ImageTooLargeError(f"The image has more than {limits.max_pixels} pixels")
    return image


def decode(data: bytes, limits: ImageLimits) -> Image.Image:
    """Gives the picture in `data` as RGB uint8, (height, width, 3), at its own size, upright and over white.

    An animation gives its first frame. A plain RGB file comes out as Pillow reads it. Raises NotAnImageError,
    ImageDamagedError, ImageTooLargeError.
    """
    image, orientation, _ = _decode(data, limits, exact=True)
    return _turned(image, orientation)


def prepare(data: bytes, limits: ImageLimits, *, exact: bool = True) -> Image.Image:
    """Gives the picture in `data` as the model takes it: RGB uint8, (384, 384, 3), squashed by LANCZOS.

    It is neither padded nor cropped: the model's author found plain squashing best. Unless `exact`, the
    decoder may skip the finest detail of a JPEG of more than EXACT_PIXELS, of which squashing would leave
    nothing: values differ by at most 2 of 255, by 0.2 in the mean (bench/prepare.py). Raises what `decode`
    raises.
    """
    image, orientation, extent = _decode(data, limits, exact=exact)
    if extent == image.size:
        return _turned(image, orientation).resize((SIDE_PX, SIDE_PX), LANCZOS)
    # A picture that was decoded smaller ends within its last row and column of pixels.
    return _turned(image.resize((SIDE_PX, SIDE_PX), LANCZOS, box=(0, 0, *extent)), orientation)


def thumbnail(data: bytes, limits: ImageLimits) -> Image.Image:
    """Gives the picture in `data` for people: upright RGB uint8, neither side longer than 320 pixels.

    Raises what `decode` raises.
    """
    image, orientation, _ = _decode(data, limits, exact=False)
    turned = _turned(image, orientation)
    turned.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), LANCZOS)
    return turned


def whole(data: bytes, limits: ImageLimits) -> Image.Image:
    """Gives the picture in `data` for people: as `decode` does, but with no side that WebP can't have."""
    picture = decode(data, limits)
    picture.thumbnail((MAX_WEBP_PX, MAX_WEBP_PX), LANCZOS)
    return picture


def to_data_url(image: Image.Image, kind: Kind = "bmp") -> bytes:
    """Gives `image` as a data URL in ASCII, without loss but for WebP.

    At 384 x 384, BMP takes a hundredth of PNG's time at both ends and 590 kB instead of 300, which is right
    for an engine on this machine. PNG is for an engine across a network, WebP for people to look at.
    """
    buffer = io.BytesIO()
    if kind == "bmp":
        image.save(buffer, "BMP")
    elif kind == "png":
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "WEBP", quality=90 if kind == "whole" else 80)
        kind = "webp"
    return b"data:image/%s;base64,%s" % (kind.encode(), pybase64.b64encode(buffer.getbuffer()))


def probe_image(colour: str, background: str) -> Image.Image:
    """Draws a square of one colour on another, 384 x 384, which no model that sees can confuse."""
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), background)
    ImageDraw.Draw(image).rectangle((112, 112, 272, 272), fill=colour)
    return image


def _decode(data: bytes, limits: ImageLimits, *, exact: bool) -> tuple[Image.Image, int, tuple[float, float]]:
    """Gives RGB as it is stored, its EXIF orientation, and how much of its width and height is picture."""
    with open_image(data, limits) as image:
        width, height = image.size
        try:
            if not exact and width * height > EXACT_PIXELS:
                image.draft(None, (DRAFT_SIDE_PX, DRAFT_SIDE_PX))  # does nothing but for JPEGs
            image.load()
            orientation = _orientation(image)
            rgb = _to_rgb(image)
            if rgb is not image:
                image.close()  # its pixels may be many
        except MemoryError as error:
            raise _too_much_memory() from error
        except DECODE_ERRORS as error:
            raise ImageDamagedError("The image is damaged and can't be decoded") from error
    scale = round(width / rgb.width)
    return rgb, orientation, (width / scale, height / scale)


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _orientation(image: Image.Image) -> int:
    """Gives EXIF's orientation, or 1 (upright) where there is none that can be read: the picture is good."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except DECODE_ERRORS:
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if (scale := _scale(image)) is not None:
        return _in_bands(image, lambda band: _scaled(band, scale))
    if image.has_transparency_data:
        return _in_bands(image, _over_white)
    return image.convert("RGB")


def _scale(image: Image.Image) -> float | None:
    """Gives the factor that brings deep grey to 0..255, None for eight bits. Pillow's conversion clips."""
    if image.mode.startswith("I;16"):
        return 1 / 257
    if image.mode == "I":
        return 1 / 257 if image.getextrema()[1] > 255 else 1.0  # type: ignore[operator]
    if image.mode == "F":
        return 255.0 if image.getextrema()[1] <= 1.0 else 1.0  # type: ignore[operator]
    return None


def _scaled(band: Image.Image, scale: float) -> Image.Image:
    return band.convert("F").point(lambda value: value * scale + 0.5).convert("L").convert("RGB")


def _over_white(band: Image.Image) -> Image.Image:
    coloured = band.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", coloured.size, WHITE), coloured).convert("RGB")


def _in_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Converts `image` to RGB, a few rows at a time."""
    rgb = Image.new("RGB", image.size)
    rows = max(1, BAND_PX // image.width)
    for top in range(0, image.height, rows):
        box = (0, top, image.width, min(top + rows, image.height))
        rgb.paste(convert(image.crop(box)), box)
    return rgb


def _register_plugins() -> None:
    if "HEIF" in FORMATS and "HEIF" not in Image.OPEN:
        import pillow_heif

        pillow_heif.register_heif_opener()
    if "JXL" in FORMATS and "JXL" not in Image.OPEN:
        import pillow_jxl  # noqa: F401 - registers itself


def _too_much_memory() -> ImageTooLargeError:
    return ImageTooLargeError("Decoding the image takes more memory than is allowed")
