"""The file of an index: broken, of another version, locked, or gone."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter.dataset.review import index_file
from adapter.dataset.review.index_file import VERSION, connect, identity, remove
from adapter.errors import WriteError
from tests.reviewed import Reviewed


def break_all(path: Path) -> None:
    path.write_bytes(b"no index at all" * 1000)


def break_middle(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncate_all(path: Path) -> None:
    path.write_bytes(b"")


def make_later(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")


def drop_table(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE texts")


def leave_log(path: Path) -> None:
    path.unlink()
    Path(f"{path}-wal").write_bytes(b"a log of another index" * 100)


@pytest.mark.parametrize(
    "harm", [break_all, break_middle, truncate, truncate_all, make_later, drop_table, leave_log]
)
def test_a_broken_index_is_made_anew(reviewed: Reviewed, harm: Callable[[Path], None]) -> None:
    """At the latest when it is brought up to date; nothing is known only there."""
    reviewed.add(**{f"text{number}": f"fox number {number} in the snow" for number in range(500)})
    reviewed.refresh()
    harm(reviewed.path)
    assert reviewed.refresh() == ""
    assert len(reviewed.items("fox")) == 500
    assert set(reviewed.items("fox 77")) == {"text77.png"}


def test_an_index_that_breaks_while_it_is_open_is_replaced(reviewed: Reviewed) -> None:
    """Whoever has it open goes over to the new one."""
    reviewed.add(**{f"text{number}": "a fox" for number in range(500)})
    with reviewed.desk() as desk:
        assert desk.summary().images == 500
        break_middle(reviewed.path)
        with contextlib.suppress(WriteError):
            desk.summary()
        reviewed.refresh()
        assert desk.summary().images == 500
        remove(reviewed.path)
        assert desk.summary().images == 0
        assert desk.is_empty
        reviewed.refresh()
        assert desk.summary().images == 500


def test_an_index_that_is_locked_stays(reviewed: Reviewed, monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't broken: another process uses it."""
    monkeypatch.setattr(index_file, "BUSY_S", 0.1)
    reviewed.add(cat="a cat")
    reviewed.refresh()
    before = identity(reviewed.path)
    with contextlib.closing(sqlite3.connect(reviewed.path)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(WriteError, match="locked"):
            reviewed.refresh()
    assert identity(reviewed.path) == before
    assert reviewed.refresh() == ""
    assert set(reviewed.items()) == {"cat.png"}


def test_an_index_that_cannot_be_there_is_told(reviewed: Reviewed) -> None:
    """Where its folder is a file, or it is a folder itself."""
    reviewed.path.parent.write_text("a file")
    with pytest.raises(WriteError, match="can't be used"):
        reviewed.refresh()
    reviewed.path.parent.unlink()
    reviewed.path.mkdir(parents=True)
    with pytest.raises(WriteError, match="can't be used"):
        reviewed.refresh()
    with pytest.raises(sqlite3.OperationalError):
        connect(reviewed.path)
