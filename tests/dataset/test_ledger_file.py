"""The files of ledgers."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from adapter.dataset.ledger_file import VERSION, connect, dataset_ledgers, hold, ledger_path, siblings
from adapter.errors import LedgerUnavailableError
from adapter.policy import ExitCode


def make(path: Path) -> Path:
    """Makes an empty ledger."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connect(path, read_only=False).close()
    return path


def test_ledger_path_lies_in_the_dataset_and_names_the_share(tmp_path: Path) -> None:
    """A dataset is whole where its folder is copied."""
    root = str(tmp_path)
    assert ledger_path(root) == tmp_path / ".joycaption/ledger.sqlite"
    assert ledger_path(root, (2, 8)) == tmp_path / ".joycaption/ledger-2-of-8.sqlite"
    assert dataset_ledgers(root) == []
    whole, share = make(ledger_path(root)), make(ledger_path(root, (2, 8)))
    assert dataset_ledgers(root) == [share, whole]


def test_siblings_are_the_other_ledgers_that_are_made(tmp_path: Path) -> None:
    """A file that is just being made has no tables yet, and a ledger elsewhere stands alone."""
    own, other, unmade = (ledger_path(str(tmp_path), (index, 3)) for index in (1, 2, 3))
    make(own)
    make(other)
    unmade.touch()
    assert siblings(own) == [other]
    assert siblings(tmp_path / "elsewhere/ledger.sqlite") == []


def test_hold_lets_one_run_write_at_a_time(tmp_path: Path) -> None:
    """The next one can once the first has ended; until then it is told how to go on."""
    path = tmp_path / "ledger.sqlite"
    with hold(path):
        with pytest.raises(LedgerUnavailableError, match="wait for its end, or use --shard") as caught:
            hold(path)
        assert caught.value.exit_code is ExitCode.WRONG_USAGE
    hold(path).close()


def test_connect_for_reading_writes_nothing(tmp_path: Path) -> None:
    """A ledger that isn't there isn't made either."""
    path = make(tmp_path / "ledger.sqlite")
    with (
        contextlib.closing(connect(path, read_only=True)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("INSERT INTO exports VALUES ('a', 'b')")
    with pytest.raises(sqlite3.OperationalError):
        connect(tmp_path / "none.sqlite", read_only=True)
    assert not (tmp_path / "none.sqlite").exists()


@pytest.mark.parametrize("read_only", [True, False])
def test_connect_to_a_newer_ledger_leaves_it_alone(tmp_path: Path, read_only: bool) -> None:
    """Nobody knows what an older program would break."""
    path = make(tmp_path / "ledger.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(
        sqlite3.DatabaseError, match=f"version {VERSION + 1}, and this program knows {VERSION}"
    ):
        connect(path, read_only=read_only)
    assert path.read_bytes() == before
