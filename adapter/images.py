"""From a file's bytes to the pixels that JoyCaption was trained with, and on to a data URL.

The only importer of PIL, whose errors end here.
"""

import io
import struct
import zlib
from typing import Literal

import pybase64
from PIL import Image, ImageDraw, ImageOps

from adapter.errors import ImageDamagedError, ImageTooLargeError, NotAnImageError
from adapter.sources import ImageLimits

SIDE_PX = 384  # SigLIP so400m/14-384, the model's own input
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
EXTENSIONS = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .bmp .dib .gif .tif .tiff".split()
)  # how files of these formats are called, as Pillow registers them
WHITE = (255, 255, 255, 255)
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
)
Kind = Literal["bmp", "png"]
TOO_MANY_PIXELS = (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError)


def open_image(data: bytes, limits: ImageLimits) -> Image.Image:
    """The picture in `data`, known by its header alone: cheap, and its pixels may still be damaged.

    Raises NotAnImageError, ImageTooLargeError.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except TOO_MANY_PIXELS as error:
        raise _too_many_pixels(limits) from error
    except DECODE_ERRORS as error:
        raise NotAnImageError(f"Not an image in one of the formats {', '.join(FORMATS)}") from error
    if image.width * image.height > limits.max_pixels:
        image.close()
        raise _too_many_pixels(limits)
    return image


def decode(data: bytes, limits: ImageLimits) -> Image.Image:
    """The picture in `data` as RGB uint8, at its own size, upright, over white.

    Of an animation the first frame. A plain RGB file comes out as Pillow reads it. Raises
    NotAnImageError, ImageDamagedError, ImageTooLargeError.
    """
    with open_image(data, limits) as image:
        try:
            image.load()
            return _to_rgb(ImageOps.exif_transpose(_to_eight_bits(image)))
        except TOO_MANY_PIXELS as error:
            raise _too_many_pixels(limits) from error
        except DECODE_ERRORS as error:
            raise ImageDamagedError("The image is damaged and can't be decoded") from error


def prepare(data: bytes, limits: ImageLimits) -> Image.Image:
    """The picture in `data` as the model gets it: RGB uint8, squashed to (384, 384) by LANCZOS.

    Neither padding nor crop: the model's author found plain squashing best. Raises as `decode` does.
    """
    image = decode(data, limits)
    return image.resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)


def to_data_url(image: Image.Image, kind: Kind = "bmp") -> str:
    """`image` losslessly as a data URL.

    BMP costs a hundredth of PNG's time at both ends and, at 384 x 384, 590 kB instead of 300: right for
    an engine on this machine. PNG is for one across a network.
    """
    buffer = io.BytesIO()
    if kind == "bmp":
        image.save(buffer, "BMP")
    else:
        image.save(buffer, "PNG", compress_level=1)
    return f"data:image/{kind};base64,{pybase64.b64encode(buffer.getbuffer()).decode('ascii')}"


def probe_image(colour: str, background: str) -> Image.Image:
    """A square of one colour on another, 384 x 384: what no model that sees can confuse."""
    image = Image.new("RGB", (SIDE_PX, SIDE_PX), background)
    ImageDraw.Draw(image).rectangle((112, 112, 272, 272), fill=colour)
    return image


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Pillow clips deeper channels when it converts them; here they are scaled, orientation kept."""
    if image.mode.startswith("I;16"):
        scale = 1 / 257
    elif image.mode == "I":
        scale = 1 / 257 if image.getextrema()[1] > 255 else 1.0  # type: ignore[operator]
    elif image.mode == "F":
        scale = 255.0 if image.getextrema()[1] <= 1.0 else 1.0  # type: ignore[operator]
    else:
        return image
    exif = image.getexif()
    scaled = image.convert("F").point(lambda value: value * scale + 0.5).convert("L")
    scaled.info["exif"] = exif.tobytes()
    return scaled


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.has_transparency_data:
        coloured = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, WHITE), coloured).convert("RGB")
    return image.convert("RGB")


def _too_many_pixels(limits: ImageLimits) -> ImageTooLargeError:
    return ImageTooLargeError(f"The image has more than {limits.max_pixels} pixels")
