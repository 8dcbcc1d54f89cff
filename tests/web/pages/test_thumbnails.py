"""Small pictures that are kept."""

import asyncio
import os
from pathlib import Path

import pytest

from adapter.errors import NotAnImageError
from adapter.web.pages.thumbnails import KEPT_SHARE, MAX_FILE_BYTES, Thumbnails

PICTURE = b"webp" * 100


class Maker:
    """Makes pictures, and counts them."""

    def __init__(self, picture: bytes = PICTURE) -> None:
        self.made = 0
        self._picture = picture

    async def __call__(self) -> bytes:
        self.made += 1
        return self._picture


def kept(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_picture_is_made_once_for_each_version(tmp_path: Path) -> None:
    """Also for the next service; a path of any bytes is one."""
    make = Maker()
    for _ in range(2):
        pictures = Thumbnails(tmp_path / "thumbnails")
        for path, version in (("/a.png", "1"), ("/a.png", "2"), ("/caf\udce9.png", "1")):
            assert await pictures.get(path, version, make) == PICTURE
    assert make.made == 3
    assert len(kept(tmp_path)) == 3


async def test_pictures_that_cannot_be_kept_are_made_again(tmp_path: Path) -> None:
    """Where the folder can't be made, or what is kept is empty, too large, a link or a folder."""
    (tmp_path / "file").touch()
    make = Maker()
    pictures = Thumbnails(tmp_path / "file/thumbnails")
    assert [await pictures.get("/a.png", "1", make) for _ in range(2)] == [PICTURE] * 2
    assert make.made == 2
    pictures = Thumbnails(tmp_path / "thumbnails")
    await pictures.get("/a.png", "1", make)
    [place] = kept(tmp_path / "thumbnails")
    (tmp_path / "secret").write_bytes(b"secret")
    place.write_bytes(b"")
    assert await pictures.get("/a.png", "1", make) == PICTURE
    place.unlink()
    place.symlink_to(tmp_path / "secret")
    assert await pictures.get("/a.png", "1", make) == PICTURE
    assert (tmp_path / "secret").read_bytes() == b"secret"
    place.unlink()
    place.mkdir()
    assert await pictures.get("/a.png", "1", make) == PICTURE
    assert kept(tmp_path / "thumbnails") == [], "nothing half made is left"


async def test_errors_are_kept_nowhere(tmp_path: Path) -> None:
    """The image may be mended."""

    async def fail() -> bytes:
        raise NotAnImageError("It is none")

    pictures = Thumbnails(tmp_path)
    with pytest.raises(NotAnImageError):
        await pictures.get("/a.png", "1", fail)
    assert await pictures.get("/a.png", "1", Maker()) == PICTURE


async def test_the_oldest_pictures_are_dropped(tmp_path: Path) -> None:
    """So that there are never many more bytes than allowed, by services before as well."""
    most = 20 * len(PICTURE)
    pictures = Thumbnails(tmp_path, most)
    await asyncio.gather(*(pictures.get(f"/{number}.png", "1", Maker()) for number in range(50)))
    for number, path in enumerate(kept(tmp_path)):
        os.utime(path, (number, number))
    again = Thumbnails(tmp_path, most)
    make = Maker()
    for number in range(100, 105):
        await again.get(f"/{number}.png", "1", make)
    assert sum(path.stat().st_size for path in kept(tmp_path)) <= most
    assert len(kept(tmp_path)) >= KEPT_SHARE * 20 - 1
    assert make.made == 5
    for number in range(100, 105):
        await again.get(f"/{number}.png", "1", make)
    assert make.made == 5, "the newest are kept"


async def test_a_picture_that_is_too_large_is_never_half_shown(tmp_path: Path) -> None:
    """What is read back is what was made."""
    make = Maker(os.urandom(MAX_FILE_BYTES + 1))
    pictures = Thumbnails(tmp_path)
    assert await pictures.get("/a.png", "1", make) == await pictures.get("/a.png", "1", make)
