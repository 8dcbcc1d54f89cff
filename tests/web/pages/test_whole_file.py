"""Small files that are written whole or not at all."""

from pathlib import Path

import pytest

from adapter.web.pages.whole_file import replace_file


def test_a_file_takes_the_place_of_another_one(tmp_path: Path) -> None:
    """With its mode; its folder is made."""
    path = tmp_path / "folder/file"
    replace_file(path, b"old")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"old", 0o600)
    replace_file(path, b"new", mode=0o640, is_synced=True)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    """And what is there stays."""
    path = tmp_path / "folder"
    (path / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        replace_file(path, b"new")
    assert list(tmp_path.iterdir()) == [path]
