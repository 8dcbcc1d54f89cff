"""The index of images and texts, as a file."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from adapter.dataset.review.index import VERSION, Index
from adapter.dataset.review.sightings import ReadText, SeenItem, SeenText
from adapter.errors import WriteError

ITEM = SeenItem("a.png", 1, 2, (SeenText("", "a.txt", 3, 4),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "indexes/one.sqlite"


def test_texts_are_stale_until_they_are_read_and_when_they_have_changed(path: Path) -> None:
    """By size and time; what a walk doesn't see any more is dropped."""
    with contextlib.closing(Index.open(path)) as index:
        index.take(index.next_walk(), [ITEM, SeenItem("b.png", 1, 2)])
        assert index.stale(10) == ["a.txt"]
        index.put([ReadText("a.txt", 3, 4, hash=b"x", text="A red fox.")])
        assert index.stale(10) == []
    with contextlib.closing(Index.open(path)) as index:
        index.take(index.next_walk(), [ITEM])
        assert index.stale(10) == []
        walk = index.next_walk()
        index.take(walk, [SeenItem("a.png", 1, 2, (SeenText("", "a.txt", 3, 5),))])
        assert index.stale(10) == ["a.txt"]
        index.end_walk(walk)
        assert index.rows("SELECT key FROM items") == [("a.png",)]
        assert index.rows("SELECT count(*) FROM words WHERE words MATCH 'fox'") == [(1,)]
        index.end_walk(index.next_walk())
        assert index.rows("SELECT count(*) FROM items") == [(0,)]
        assert index.rows("SELECT count(*) FROM words WHERE words MATCH 'fox'") == [(0,)]


def test_a_broken_index_or_one_of_another_version_is_made_anew(path: Path) -> None:
    """Nothing in it is known only there."""
    path.parent.mkdir()
    path.write_bytes(b"no index " * 1000)
    with contextlib.closing(Index.open(path)) as index:
        index.take(index.next_walk(), [ITEM])
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    with contextlib.closing(Index.open(path)) as index:
        assert index.rows("SELECT count(*) FROM items") == [(0,)]


def test_an_index_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match="can't be used"):
        Index.open(tmp_path / "file/one.sqlite")
    (tmp_path / "one.sqlite").mkdir()
    with pytest.raises(WriteError, match="can't be used"):
        Index.open(tmp_path / "one.sqlite")
