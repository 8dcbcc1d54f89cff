"""Small pictures that are kept."""

from pathlib import Path

from adapter.web.pages.thumbnails import Thumbnails


class Maker:
    """Makes pictures, and counts them."""

    def __init__(self, picture: bytes = b"picture") -> None:
        self.picture = picture
        self.made = 0

    async def __call__(self) -> bytes:
        self.made += 1
        return self.picture


async def test_each_is_made_once_for_each_version(tmp_path: Path) -> None:
    """Also by another service over the same folder."""
    make = Maker()
    for _ in range(2):
        thumbnails = Thumbnails(tmp_path)
        for version in ("1", "2", "1"):
            assert await thumbnails.get("/a.png", version, make) == b"picture"
    assert make.made == 2


async def test_the_oldest_are_dropped(tmp_path: Path) -> None:
    """Where there are more bytes than may be kept."""
    make = Maker(b"x" * 100)
    thumbnails = Thumbnails(tmp_path, max_bytes=500)
    for number in range(20):
        await thumbnails.get("/a.png", str(number), make)
    assert 100 <= sum(path.stat().st_size for path in tmp_path.rglob("*.webp")) <= 500


async def test_where_nothing_can_be_kept_each_is_made_anew(tmp_path: Path) -> None:
    """A page without pictures would be worse."""
    (tmp_path / "file").touch()
    make = Maker()
    thumbnails = Thumbnails(tmp_path / "file")
    for _ in range(2):
        assert await thumbnails.get("/a.png", "1", make) == b"picture"
    assert make.made == 2


async def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    """It is replaced by the picture."""
    make = Maker()
    thumbnails = Thumbnails(tmp_path / "kept")
    await thumbnails.get("/a.png", "1", make)
    [place] = tmp_path.rglob("*.webp")
    place.unlink()
    (tmp_path / "secret").write_text("secret")
    place.symlink_to(tmp_path / "secret")
    assert await thumbnails.get("/a.png", "1", make) == b"picture"
    assert (tmp_path / "secret").read_text() == "secret"
