"""Finding the images of a folder."""

import os
from pathlib import Path

import pytest

from adapter.dataset.inputs.folder import Folder, find_images
from adapter.errors import InvalidRequestError
from adapter.images.sources import ImageFile


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root: Path, *, recursive: bool = True, follow_links: bool = False) -> list[str]:
    return sorted(find_images(str(root), recursive=recursive, follow_links=follow_links))


def test_images_are_found_by_extension_in_any_case(tmp_path: Path) -> None:
    """They may lie at any depth; hidden ones, other files and our own are left out."""
    touch(tmp_path, "a.png", "B.JPG", "c.jpeg", "d.webp", "e/f.tiff", "e/g/h.gif", "e/i.bmp")
    touch(tmp_path, "a.txt", "no", ".hidden.png", ".joycaption/x.png", "e/.git/y.png", "z.png.part")
    assert found(tmp_path) == ["B.JPG", "a.png", "c.jpeg", "d.webp", "e/f.tiff", "e/g/h.gif", "e/i.bmp"]
    assert found(tmp_path, recursive=False) == ["B.JPG", "a.png", "c.jpeg", "d.webp"]


def test_masks_and_control_images_are_no_images_of_the_dataset(tmp_path: Path) -> None:
    """OneTrainer and AI-Toolkit keep them beside the images.

    A folder that the user names is captioned whatever its name.
    """
    touch(tmp_path, "a.png", "a-masklabel.png", "b/c-condlabel.png", "b/c.jpg", "_controls/a.png")
    touch(tmp_path, "b/_controls/d/c.jpg", "a-masklabel.jpg", "x_controls/e.png", "-MASKLABEL.PNG")
    assert found(tmp_path) == ["a-masklabel.jpg", "a.png", "b/c.jpg", "x_controls/e.png"]
    assert found(tmp_path / "_controls") == ["a.png"]
    folder = Folder(str(tmp_path))
    assert folder.has("b/c.jpg")
    assert not folder.has("b/c-condlabel.png"), "a ledger of an older version may name it"
    assert not folder.has("_controls/a.png")


def test_a_walk_ends_early_once_it_is_enough(tmp_path: Path) -> None:
    """Also where there are no images: it is asked at each file."""
    touch(tmp_path, *(f"{number}.txt" for number in range(5)))
    asked = iter([False, False, True])
    assert list(find_images(str(tmp_path), is_enough=lambda: next(asked))) == []
    with pytest.raises(StopIteration):
        next(asked)


def test_links_to_folders_are_followed_only_on_request_and_loops_never(tmp_path: Path) -> None:
    """They lead out of the dataset.

    A link to a file is an image; one to nothing is an image that is missing.
    """
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
    assert found(root) == ["a/b.png", "gone.png", "link.png", "self.png"]
    assert found(root, follow_links=True) == ["a/b.png", "away/c.png", "gone.png", "link.png", "self.png"]


def test_a_folder_that_can_not_be_read_is_reported(tmp_path: Path) -> None:
    """It counts as an image that will fail, and its neighbours are found.

    Here its path is too long for the system.
    """
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
    assert next(images) == "a/b.png"
    touch(tmp_path, "a/c.png")
    assert len(list(images)) <= 1


def test_items_are_named_by_their_paths_below_the_folder(tmp_path: Path) -> None:
    """An item's image is read from the whole path, and its fingerprint follows the file."""
    touch(tmp_path, "a/b.png")
    folder = Folder(str(tmp_path))
    (item,) = folder.items()
    assert item.key == "a/b.png"
    assert item == folder.item("a/b.png")
    assert item.source == ImageFile(str(tmp_path / "a/b.png"))
    before = item.fingerprint()
    (tmp_path / "a/b.png").write_bytes(b"more")
    assert before is not None
    assert item.fingerprint() != before
    assert folder.has("a/b.png")
    (tmp_path / "a/b.png").unlink()
    assert item.fingerprint() is None
    assert not folder.has("a/b.png")


def test_images_that_nobody_wants_leave_no_folder_open(tmp_path: Path) -> None:
    """A run may end after the first ones of a million."""
    touch(tmp_path, "a/b/1.png", "a/b/2.png", "a/b/3.png")
    before = os.listdir("/proc/self/fd")
    images = find_images(str(tmp_path))
    assert next(images).startswith("a/b/")
    assert len(os.listdir("/proc/self/fd")) == len(before) + 3
    images.close()
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_key_of_a_path_is_none_outside_of_the_folder() -> None:
    """What lies beside it may begin with the same letters."""
    folder = Folder("/d/a")
    assert folder.key("/d/a/b/c.png") == "b/c.png"
    assert folder.key("/d/ab/c.png") is None
    assert Folder("/").key("/d/c.png") == "d/c.png"
