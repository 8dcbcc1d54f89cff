"""What stands beside an image, and how little is looked at."""

import os
from pathlib import Path

import pytest

from adapter.images import neighbours
from adapter.images.neighbours import Contents, list_images, text_name, uncaptioned, version_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gives a folder with images, texts, and things that are neither."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in (
        "a.png",
        "b.JPG",
        "c.d.webp",
        "e.png",
        ".hidden.png",
        "e-masklabel.png",
        "notes.md",
        "no-extension",
    ):
        (folder / name).write_bytes(b"x")
    (folder / "a.txt").write_text("")
    (folder / "c.txt").write_text("not c.d's")
    (folder / "f.png").symlink_to("e.png")
    (folder / "g.png").mkdir()
    os.mkfifo(folder / "h.png")
    return folder


def test_images_with_a_text_and_all_that_is_no_plain_file_are_unsuited(folder: Path) -> None:
    """They are listed all the same: a client may ask for them."""
    found = list_images(f"{folder}/", None)
    assert sorted(found.images) == [
        ".hidden.png", "a.png", "b.JPG", "c.d.webp", "e-masklabel.png", "e.png", "f.png", "g.png", "h.png"
    ]  # fmt: skip
    assert found.unsuited == {".hidden.png", "a.png", "e-masklabel.png", "f.png", "g.png", "h.png"}
    assert list(found.images) == [name for name in os.listdir(folder) if name in found.images]


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("b.JPG", True),
        ("c.d.webp", True),
        ("a.png", False),
        ("f.png", False),
        ("g.png", False),
        ("h.png", False),
        ("none.png", False),
        ("", False),
        ("a\0.png", False),
        ("n" * 5000, False),
        ("\ud800.png", False),
    ],
)
def test_an_uncaptioned_image_is_a_plain_file_without_a_text(folder: Path, name: str, is_one: bool) -> None:
    """Nothing else has a version then."""
    found = uncaptioned(f"{folder}/", name, None)
    assert (found is not None) is is_one
    if is_one:
        assert found == version_of(f"{folder}/", name, None)


def test_each_change_of_a_file_makes_another_version(folder: Path) -> None:
    """Also one that keeps size and time."""
    path = folder / "e.png"
    versions = [version_of(f"{folder}/", "e.png", None)]
    status = path.stat()
    path.write_bytes(b"y")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    versions.append(version_of(f"{folder}/", "e.png", None))
    (folder / "new").write_bytes(b"z")
    os.utime(folder / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "new").replace(path)
    versions.append(version_of(f"{folder}/", "e.png", None))
    path.unlink()
    versions.append(version_of(f"{folder}/", "e.png", None))
    assert len(set(versions)) == 4
    assert versions[-1] is None


def test_folders_outside_of_the_roots_are_not_entered(folder: Path, tmp_path: Path) -> None:
    """No link leads there."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(folder)
    for way in (folder, inside / "link", inside / "../pictures", inside / "none"):
        assert list_images(f"{way}/", [str(inside)]) == Contents()
        assert uncaptioned(f"{way}/", "e.png", [str(inside)]) is None
        assert version_of(f"{way}/", "e.png", [str(inside)]) is None
    assert list_images(f"{inside}/link/", [str(tmp_path)]).images
    assert uncaptioned(f"{inside}/link/", "e.png", [str(tmp_path)])


@pytest.mark.parametrize(
    "way", ["/no/such/folder/", "/etc/passwd/", "/\0/", "/\ud800/", "/" + "n" * 5000 + "/"]
)
def test_a_folder_that_is_none_has_no_images(way: str) -> None:
    """No error comes of it: it was asked about by us."""
    assert list_images(way, None) == Contents()
    assert version_of(way, "a.png", None) is None


def test_a_huge_folder_has_no_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its listing would take too long."""
    entries = len(os.listdir(folder))
    monkeypatch.setattr(neighbours, "MAX_ENTRIES", entries)
    assert list_images(f"{folder}/", None).images
    monkeypatch.setattr(neighbours, "MAX_ENTRIES", entries - 1)
    assert list_images(f"{folder}/", None) == Contents()


@pytest.mark.parametrize(
    ("image", "text"), [("a.png", "a.txt"), ("a.b.png", "a.b.txt"), (".png", ".txt"), ("a", "a.txt")]
)
def test_texts_are_named_as_ai_toolkit_names_them(image: str, text: str) -> None:
    """What stands behind the last dot is replaced."""
    assert text_name(image) == text
