"""Finding images, and sharing them out."""

import os
from pathlib import Path

import pytest

from adapter.dataset.scan import FoundImage, Shard, find_images, read_list, stable_hash
from adapter.errors import InvalidRequestError


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root: Path, *, recursive: bool = True) -> list[str]:
    return sorted(image.relative for image in find_images(str(root), recursive=recursive))


def test_images_are_found_by_extension_in_any_case(tmp_path: Path) -> None:
    """At any depth; hidden ones, other files and our own left out."""
    touch(tmp_path, "a.png", "B.JPG", "c.jpeg", "d.webp", "e/f.tiff", "e/g/h.gif", "e/i.bmp")
    touch(tmp_path, "a.txt", "no", ".hidden.png", ".joycaption/x.png", "e/.git/y.png", "z.png.part")
    assert found(tmp_path) == ["B.JPG", "a.png", "c.jpeg", "d.webp", "e/f.tiff", "e/g/h.gif", "e/i.bmp"]
    assert found(tmp_path, recursive=False) == ["B.JPG", "a.png", "c.jpeg", "d.webp"]


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    """To files and to folders; a link to nothing is an image that is missing."""
    root = tmp_path / "root"
    touch(root, "a/b.png")
    touch(tmp_path, "away/c.png")
    (root / "link.png").symlink_to(root / "a/b.png")
    (root / "away").symlink_to(tmp_path / "away")
    (root / "gone.png").symlink_to("nothing")
    (root / "a/loop").symlink_to(root)
    (tmp_path / "away/back").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "self.png").symlink_to("self.png")
    assert found(root) == ["a/b.png", "away/c.png", "gone.png", "link.png", "self.png"]


def test_a_folder_that_can_not_be_read_is_told_of(tmp_path: Path) -> None:
    """As an image that will fail; its neighbours are found. Here its path is too long for the system."""
    touch(tmp_path, "a.png")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("x" * 250, dir_fd=descriptor)
        below = os.open("x" * 250, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    names = found(tmp_path)
    assert names[0] == "a.png"
    assert len(names) == 2
    assert set(names[1]) == {"x", "/"}
    with pytest.raises(InvalidRequestError, match="can't be read"):
        found(tmp_path / "none")


def test_what_only_looks_like_an_image_file_is_none(tmp_path: Path) -> None:
    """A folder of that name is a folder, and a FIFO would never end."""
    touch(tmp_path, "folder.png/a.png")
    os.mkfifo(tmp_path / "fifo.png")
    assert found(tmp_path) == ["folder.png/a.png"]


def test_images_come_before_the_rest_is_looked_for(tmp_path: Path) -> None:
    """The first one needs no more than its own folder."""
    touch(tmp_path, "a/b.png")
    images = find_images(str(tmp_path))
    assert next(images) == FoundImage(str(tmp_path), "a/b.png")
    touch(tmp_path, "a/c.png")
    assert len(list(images)) <= 1


def test_read_list_takes_paths_as_they_are_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative to the working directory, or absolute; blanks in names stay."""
    monkeypatch.chdir(tmp_path)
    images = list(read_list(["a.png\n", "\n", " b c .png\r\n", "/else/d.png"]))
    assert [image.relative for image in images] == ["a.png", " b c .png", "/else/d.png"]
    assert images[2].path == "/else/d.png"
    assert images[0].path == str(tmp_path / "a.png")


@pytest.mark.parametrize("count", [1, 2, 7])
def test_shards_divide_all_images_among_them(count: int) -> None:
    """Each image is in one, about as many in each, and those with one sidecar together."""
    names = [f"folder {n % 13}/{n}.png" for n in range(2000)]
    shards = [Shard(index, count) for index in range(1, count + 1)]
    sizes = [sum(shard.has(name) for name in names) for shard in shards]
    assert sum(sizes) == 2000
    assert min(sizes) > 0.8 * 2000 / count
    for name in names[:50]:
        assert [shard.has(name) for shard in shards] == [
            shard.has(name.replace("png", "jpg")) for shard in shards
        ]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", "1 / 2"])
def test_a_share_of_another_form_is_refused(text: str) -> None:
    """Saying how it is written."""
    with pytest.raises(InvalidRequestError, match="write 1/4"):
        Shard.parse(text)
    assert Shard.parse("2/8") == Shard(2, 8)


def test_stable_hash_is_the_same_everywhere() -> None:
    """Shares and seeds of earlier runs depend on it."""
    assert stable_hash("a/b.png") == 9125696127675622740
    assert stable_hash("caf\udce9") != stable_hash("cafe")
