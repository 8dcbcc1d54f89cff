"""Where an image's bytes come from."""

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
from adapter.sources import DataURL, ImageBytes, ImageFile, ImageLimits

LIMITS = ImageLimits(max_bytes=10**7, max_pixels=2_000_000)
DATA = bytes(range(256)) + b"\xfb\xff\xfe%41"
PLAIN = base64.b64encode(DATA).decode()


def test_file_gives_its_bytes(tmp_path: Path) -> None:
    """All of them."""
    path = tmp_path / "a name with spaces ü.png"
    path.write_bytes(b"bytes")
    assert ImageFile(str(path)).read(LIMITS) == b"bytes"


@pytest.mark.parametrize("path", ["picture.png", "./a", "", "/tmp/\0.png"])
def test_file_of_no_absolute_path_is_refused(path: str) -> None:
    """Relative to what would be anyone's guess."""
    with pytest.raises(InvalidRequestError, match="absolute path"):
        ImageFile(path).read(LIMITS)


def test_file_of_nothing_says_that_it_is_missing(tmp_path: Path) -> None:
    """With the path that the client sent."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "none.png", tmp_path / "file" / "inside.png"):
        with pytest.raises(FileMissingError, match="Image not found: "):
            ImageFile(str(path)).read(LIMITS)


def test_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    """Without reading it."""
    path = tmp_path / "large"
    path.touch()
    os.truncate(path, LIMITS.max_bytes + 1)
    with pytest.raises(ImageTooLargeError, match="larger than 10000000 bytes"):
        ImageFile(str(path)).read(LIMITS)


def test_file_outside_of_the_roots_is_403(tmp_path: Path, picture: Path) -> None:
    """Ways around are tested with the opening."""
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
    """However a client writes it."""
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
def test_data_url_of_another_form_is_400(url: str) -> None:
    """Without a guess at what was meant."""
    with pytest.raises(InvalidRequestError):
        DataURL(url).read(LIMITS)


@pytest.mark.parametrize("count", [13, 40, 1000])
def test_data_url_beyond_the_limit_is_too_large(count: int) -> None:
    """Long ones before they are decoded."""
    limits = ImageLimits(max_bytes=12, max_pixels=1)
    url = "data:;base64," + base64.b64encode(b"x" * count).decode()
    with pytest.raises(ImageTooLargeError):
        DataURL(url).read(limits)
    assert DataURL("data:;base64," + base64.b64encode(b"x" * 12).decode()).read(limits) == b"x" * 12


def test_bytes_beyond_the_limit_are_too_large() -> None:
    """As a file's are."""
    assert ImageBytes(b"x").read(LIMITS) == b"x"
    with pytest.raises(ImageTooLargeError):
        ImageBytes(b"x" * 13).read(ImageLimits(12, 1))
