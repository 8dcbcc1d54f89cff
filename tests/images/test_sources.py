"""The places that an image's bytes come from."""

import base64
import os
import urllib.parse
from pathlib import Path

import pytest

from adapter.errors import (
    FileMissingError,
    FileNotAllowedError,
    ImageTooLargeError,
    InvalidRequestError,
)
from adapter.images.sources import DataURL, ImageBytes, ImageFile, ImageLimits

LIMITS = ImageLimits(max_bytes=10**7, max_pixels=2_000_000)
DATA = bytes(range(256)) + b"\xfb\xff\xfe%41"
PLAIN = base64.b64encode(DATA).decode()


def test_file_gives_its_bytes(tmp_path: Path) -> None:
    """Its name may hold any character."""
    path = tmp_path / "a name with spaces ü.png"
    path.write_bytes(b"bytes")
    assert ImageFile(str(path)).read(LIMITS) == b"bytes"


@pytest.mark.parametrize("path", ["picture.png", "./a", "", "/tmp/\0.png"])
def test_file_with_a_path_that_is_not_absolute_is_refused(path: str) -> None:
    """Nobody could tell what the path is relative to."""
    with pytest.raises(InvalidRequestError, match="absolute path"):
        ImageFile(path).read(LIMITS)


def test_file_that_is_not_there_is_named_as_the_client_named_it(tmp_path: Path) -> None:
    """The message holds the path that the client sent."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "none.png", tmp_path / "file" / "inside.png"):
        with pytest.raises(FileMissingError, match="Image not found: "):
            ImageFile(str(path)).read(LIMITS)


def test_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    """Its size alone tells, and nothing of it is read."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, LIMITS.max_bytes + 1)
    with pytest.raises(ImageTooLargeError, match="larger than 10000000 bytes"):
        ImageFile(str(path)).read(LIMITS)


def test_file_outside_of_the_roots_is_not_allowed(tmp_path: Path, picture: Path) -> None:
    """The limits hand the roots on; ways around them are tested with `roots`."""
    inside = tmp_path / "root"
    inside.mkdir()
    limits = ImageLimits(10**6, 10**6, (str(inside),))
    with pytest.raises(FileNotAllowedError):
        ImageFile(str(picture)).read(limits)
    picture.rename(inside / "in.png")
    assert ImageFile(str(inside / "in.png")).read(limits)


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{PLAIN}",
        f"DATA:image/png;charset=x;BASE64,{PLAIN}",
        f"data:;base64,{PLAIN}",
        f"data:image/png;base64,{PLAIN.rstrip('=')}",
        f"data:image/png;base64,{PLAIN}==",
        f"data:image/png;base64,{urllib.parse.quote(PLAIN, safe='')}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(DATA).decode()}",
        "data:image/png;base64," + "\r\n".join(PLAIN[n : n + 76] for n in range(0, len(PLAIN), 76)),
        f"data:image/png,{urllib.parse.quote_from_bytes(DATA)}",
    ],
)
def test_data_url_gives_its_bytes(url: str) -> None:
    """Every form that clients write is understood."""
    assert DataURL(url).read(LIMITS) == DATA


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64",
        "data:image/png;base64,***",
        "data:image/png;base64,A",
        "data:image/png;base64,AAAA=AAAA",
        "data:image/png;base64,Ä",
        "data:image/png,Ä",
        "date:image/png;base64,AAAA",
        "",
    ],
)
def test_data_url_of_another_form_is_refused(url: str) -> None:
    """Nobody guesses at what was meant."""
    with pytest.raises(InvalidRequestError):
        DataURL(url).read(LIMITS)


@pytest.mark.parametrize("count", [13, 40, 1000])
def test_data_url_beyond_the_limit_is_too_large(count: int) -> None:
    """A long one is refused before it is decoded, and one of just the limit is read."""
    limits = ImageLimits(max_bytes=12, max_pixels=1)
    url = "data:;base64," + base64.b64encode(b"x" * count).decode()
    with pytest.raises(ImageTooLargeError):
        DataURL(url).read(limits)
    assert DataURL("data:;base64," + base64.b64encode(b"x" * 12).decode()).read(limits) == b"x" * 12


def test_bytes_beyond_the_limit_are_too_large() -> None:
    """The limit is the same as for files."""
    assert ImageBytes(b"x").read(LIMITS) == b"x"
    with pytest.raises(ImageTooLargeError):
        ImageBytes(b"x" * 13).read(ImageLimits(12, 1))
