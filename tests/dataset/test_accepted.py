"""Texts that somebody found good."""

import contextlib
from pathlib import Path

from adapter.dataset.accepted import accept, accepted_hashes
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path


def test_what_was_accepted_is_known_until_it_is_taken_back(tmp_path: Path) -> None:
    """Also by whoever only reads the ledger, and by one of several machines about another's."""
    path = ledger_path(str(tmp_path))
    with contextlib.closing(Ledger.open(path)) as ledger:
        accept(ledger, {"a.txt": b"1", "b.txt": b"2"})
        accept(ledger, {"a.txt": b"3", "b.txt": None})
        assert accepted_hashes(ledger, ["a.txt", "b.txt", "c.txt"]) == {"a.txt": b"3"}
    for opened in (Ledger.scratch(path), Ledger.open(ledger_path(str(tmp_path), (1, 2)))):
        with contextlib.closing(opened) as other:
            assert accepted_hashes(other, ["a.txt"]) == {"a.txt": b"3"}


def test_an_older_ledger_has_accepted_nothing(tmp_path: Path) -> None:
    """It has no table for that."""
    path = ledger_path(str(tmp_path))
    with contextlib.closing(Ledger.open(path)) as ledger, ledger.transaction() as connection:
        connection.execute("DROP TABLE accepted")
    with contextlib.closing(Ledger.open_read_only(path)) as ledger:
        assert accepted_hashes(ledger, ["a.txt"]) == {}
