"""Image files as items."""

from pathlib import Path

from adapter.dataset.inputs.folder import Folder
from adapter.dataset.inputs.image_file import file_fingerprint, file_item
from adapter.dataset.inputs.input import Input
from adapter.dataset.item import Fingerprint


def test_file_fingerprint_is_size_and_time(tmp_path: Path) -> None:
    """A file that is gone has none."""
    path = tmp_path / "a.png"
    path.write_bytes(b"abc")
    assert file_fingerprint(str(path)) == Fingerprint(3, path.stat().st_mtime_ns)
    assert file_fingerprint(str(tmp_path / "none")) is None


def test_file_item_of_an_absolute_key_lies_outside_the_root(tmp_path: Path) -> None:
    """A list may name files anywhere."""
    path = tmp_path / "a.png"
    path.touch()
    assert file_item("/root", str(path)).fingerprint() is not None
    assert file_item("/root", "a.png").fingerprint() is None


def test_a_folder_is_an_input(tmp_path: Path) -> None:
    """Whoever works on an input needs no more than the protocol."""
    folder: Input = Folder(str(tmp_path))
    assert list(folder.items()) == []
