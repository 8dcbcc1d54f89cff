"""From a file's bytes to the pixels that the model gets."""

import io
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pybase64
import pytest
from PIL import Image, ImageChops, ImageOps

from adapter.errors import (
    CaptionError,
    ImageDamagedError,
    ImageTooLargeError,
    NotAnImageError,
)
from adapter.images.pixels import (
    EXTENSIONS,
    FORMATS,
    decode,
    open_image,
    prepare,
    probe_image,
    thumbnail,
    to_data_url,
)
from adapter.images.sources import ImageLimits
from tests.pictures import encoded, gradient, photograph

LIMITS = ImageLimits(max_bytes=10**7, max_pixels=2_000_000)
LANCZOS = Image.Resampling.LANCZOS


def single_colour(data: bytes) -> tuple[int, ...]:
    """Gives the colour of the prepared picture's middle."""
    colour = prepare(data, LIMITS).getpixel((192, 192))
    assert isinstance(colour, tuple)
    return colour


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("size", [(384, 384), (500, 300), (17, 400), (1000, 999)])
def test_prepare_of_plain_rgb_equals_the_reference_to_the_bit(
    tmp_path: Path, kind: str, size: tuple[int, int]
) -> None:
    """The reference is Pillow's own LANCZOS on the opened file."""
    path = tmp_path / "picture"
    path.write_bytes(encoded(gradient(size), kind))
    with Image.open(path) as reference:
        expected = reference.resize((384, 384), LANCZOS)
    prepared = prepare(path.read_bytes(), LIMITS)
    assert prepared.mode == "RGB"
    assert prepared.tobytes() == expected.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_decode_with_exif_orientation_is_upright(orientation: int) -> None:
    """Each of the eight ways to hold a camera comes out upright."""
    upright = Image.new("RGB", (60, 40), "white")
    upright.paste("red", (0, 0, 30, 20))
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright.transpose(undo) if undo is not None else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(encoded(stored, "PNG", exif=exif), LIMITS)
    assert decoded.tobytes() == upright.tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_prepare_lays_transparency_over_white(mode: str) -> None:
    """What lies under the transparency doesn't show."""
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0)).convert(mode)
    if mode == "P":
        data = encoded(image, "PNG", transparency=image.getpixel((0, 0)))
    else:
        data = encoded(image, "PNG")
    assert single_colour(data) == (255, 255, 255)


def test_prepare_of_half_transparency_mixes_with_white() -> None:
    """Half of red over white is pink."""
    colour = single_colour(encoded(Image.new("RGBA", (9, 9), (255, 0, 0, 128)), "PNG"))
    assert colour == pytest.approx((255, 127, 127), abs=1)


def test_prepare_of_a_palette_converts_before_it_resizes() -> None:
    """Between two palette entries lie their colours' mixtures, not other entries."""
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 2])
    expected = image.convert("RGB").resize((384, 384), LANCZOS)
    assert prepare(encoded(image, "PNG"), LIMITS).tobytes() == expected.tobytes()


@pytest.mark.parametrize("value", [0, 257 * 100, 65535])
def test_prepare_of_sixteen_bit_grey_scales_it(value: int) -> None:
    """Pillow's own conversion would clip it to white."""
    data = encoded(Image.new("I;16", (10, 10), value), "PNG")
    assert single_colour(data) == (value // 257,) * 3


def test_prepare_of_float_grey_scales_it() -> None:
    """A TIFF of floats from 0 to 1 comes out as grey from 0 to 255."""
    data = encoded(Image.new("F", (10, 10), 0.5), "TIFF")
    assert single_colour(data) == pytest.approx((128, 128, 128), abs=1)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("L", 77, (77, 77, 77)),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
    ],
)
def test_prepare_of_other_modes_gives_their_colour(mode: str, value: Any, expected: tuple[int, ...]) -> None:
    """Grey, black and white, and print colours come out as what they show."""
    data = encoded(Image.new(mode, (10, 10), value), "TIFF")
    assert single_colour(data) == expected


def test_prepare_of_cmyk_jpeg_gives_its_colour() -> None:
    """Adobe's inverted values, as Pillow writes them, are turned back."""
    data = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert single_colour(data) == pytest.approx((255, 0, 0), abs=4)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_prepare_of_an_animation_takes_the_first_frame(kind: str) -> None:
    """Later frames make no difference."""
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "green", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert single_colour(data) == pytest.approx((255, 0, 0), abs=3)


PNG = encoded(gradient((200, 200)), "PNG")
JPEG = encoded(gradient((200, 200)), "JPEG")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"/>'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", NotAnImageError),
        (b"hello", NotAnImageError),
        (SVG, NotAnImageError),
        (b"%PDF-1.7", NotAnImageError),
        (PNG[:20], NotAnImageError),
        (PNG[: len(PNG) // 2], ImageDamagedError),
        (JPEG[: len(JPEG) // 2], ImageDamagedError),
        (PNG[:100] + b"\xff" * 50 + PNG[150:], ImageDamagedError),
        (encoded(Image.new("1", (5000, 5000)), "PNG"), ImageTooLargeError),
        (encoded(Image.new("1", (12000, 12000)), "PNG"), ImageTooLargeError),
        (encoded(Image.new("1", (20000, 20000)), "PNG"), ImageTooLargeError),
        (encoded(gradient((20, 20)), "ICO"), NotAnImageError),
    ],
)
def test_prepare_of_what_is_no_good_image_says_what_is_wrong(
    data: bytes, expected: type[CaptionError]
) -> None:
    """The message never holds the decoder's own text."""
    with pytest.raises(expected) as caught:
        prepare(data, LIMITS)
    assert caught.value.status == 422
    assert "PIL" not in caught.value.message
    assert "BytesIO" not in caught.value.message


def test_open_image_reads_no_more_than_the_header() -> None:
    """A picture with damaged pixels opens all the same, but a picture that is too large doesn't."""
    assert open_image(PNG[: len(PNG) // 2], LIMITS).size == (200, 200)
    with pytest.raises(ImageTooLargeError, match="more than 2000000 pixels"):
        open_image(encoded(Image.new("1", (2000, 1001)), "PNG"), LIMITS)
    assert open_image(encoded(Image.new("1", (2000, 1000)), "PNG"), LIMITS).size == (2000, 1000)


def test_extensions_belong_to_the_formats_that_are_read() -> None:
    """A folder's images are found by names that can be read."""
    registered = Image.registered_extensions() | {".dib": "BMP"}  # such a file has BMP's own header
    assert {".jpg", ".png", ".webp", ".avif", ".heic", ".jxl"} <= EXTENSIONS
    assert {registered[extension] for extension in EXTENSIONS if extension in registered} <= set(FORMATS)


def test_to_data_url_of_either_kind_holds_the_same_pixels() -> None:
    """BMP and PNG are both lossless."""
    image = prepare(PNG, LIMITS)
    kinds: tuple[Literal["bmp", "png"], ...] = ("bmp", "png")
    for kind in kinds:
        url = to_data_url(image, kind)
        head, _, body = url.partition(b",")
        assert head == f"data:image/{kind};base64".encode()
        with Image.open(io.BytesIO(pybase64.b64decode(body))) as back:
            assert back.convert("RGB").tobytes() == image.tobytes()


def test_probe_image_has_both_colours() -> None:
    """The square lies in the middle and the background at the border."""
    image = probe_image("red", "white")
    assert image.getpixel((192, 192)) == (255, 0, 0)
    assert image.getpixel((5, 5)) == (255, 255, 255)


@cache
def large_picture(size: tuple[int, int]) -> Image.Image:
    """Draws the picture only once."""
    return photograph(*size)


@pytest.mark.parametrize("size", [(2400, 1800), (2307, 3001)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_prepare_of_a_large_jpeg_is_as_good_as_exact(size: tuple[int, int], orientation: int) -> None:
    """Its sides needn't be multiples of what its decoder skips, and it may be turned in any way."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(large_picture(size), "JPEG", quality=90, exif=exif)
    limits = ImageLimits(max_bytes=10**8, max_pixels=10**8)
    exact, default = prepare(data, limits, exact=True), prepare(data, limits, exact=False)
    with Image.open(io.BytesIO(data)) as reference:
        assert exact.tobytes() == ImageOps.exif_transpose(reference).resize((384, 384), LANCZOS).tobytes()
    values = ImageChops.difference(exact, default).tobytes()
    assert max(values) < 4
    assert sum(values) / len(values) < 0.3
    assert (min(size) >= 2 * 3 * 384) is (max(values) > 0)


def test_prepare_of_up_to_two_megapixels_is_always_exact() -> None:
    """Small pictures keep their very bits, whatever was asked for."""
    data = encoded(large_picture((2300, 860)), "JPEG")
    limits = ImageLimits(max_bytes=10**8, max_pixels=10**8)
    assert prepare(data, limits, exact=False).tobytes() == prepare(data, limits, exact=True).tobytes()


@pytest.mark.parametrize(
    ("size", "expected"),
    [((640, 320), (320, 160)), ((1600, 1200), (320, 240)), ((9, 5), (9, 5))],
)
def test_thumbnail_keeps_the_shape_and_enlarges_nothing(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    """For people to look at."""
    picture = thumbnail(encoded(Image.linear_gradient("L").resize(size).convert("RGB"), "JPEG"), LIMITS)
    assert (picture.size, picture.mode) == (expected, "RGB")
    assert to_data_url(picture, "webp").startswith(b"data:image/webp;base64,")
