"""Folders that somebody has worked in."""

from pathlib import Path

import pytest

from adapter.web.pages.recent_folders import FILE_NAME, MAX_FOLDERS, RecentFolders


def test_the_last_ones_come_first(tmp_path: Path) -> None:
    """Each once, as long as they are there, and not too many."""
    folders = RecentFolders(tmp_path / "data")
    assert folders.there() == []
    for number in (*range(MAX_FOLDERS + 3), 5):
        (tmp_path / str(number)).mkdir(exist_ok=True)
        folders.add(str(tmp_path / str(number)))
    (tmp_path / "7").rmdir()
    names = [Path(path).name for path in RecentFolders(tmp_path / "data").there()]
    assert names == ["5", "14", "13", "12", "11", "10", "9", "8", "6", "4", "3"]
    roots = (str(tmp_path / "1"), str(tmp_path / "4"))
    assert RecentFolders(tmp_path / "data").there(roots) == [str(tmp_path / "4")], "the others are forbidden"


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"a": 1}', b'[1, null, "relative", "/a\\u0000b"]', b"\xff", b"[" * 100_000]
)
def test_a_broken_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """And is replaced by the next folder."""
    (tmp_path / FILE_NAME).write_bytes(content)
    folders = RecentFolders(tmp_path)
    assert folders.there() == []
    folders.add(str(tmp_path))
    assert folders.there() == [str(tmp_path)]


def test_where_nothing_can_be_kept_nothing_is(tmp_path: Path) -> None:
    """Work goes on."""
    (tmp_path / "file").touch()
    folders = RecentFolders(tmp_path / "file")
    folders.add(str(tmp_path))
    assert folders.there() == []
