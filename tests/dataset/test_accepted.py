"""Texts that somebody found good as they are."""

import sqlite3
from pathlib import Path

from adapter.dataset.accepted import accept, accepted_hashes
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.verdicts import LOOKUP_CHUNK


def test_accepted_texts_are_known_until_they_are_no_more(ledger: Ledger) -> None:
    """By their names, also those that aren't UTF-8, and however many are asked for."""
    names = [f"{number}.txt" for number in range(2 * LOOKUP_CHUNK)]
    accept(ledger, {"a.txt": b"one", "caf\udce9.txt": b"two"})
    accept(ledger, {"a.txt": b"three"})
    assert accepted_hashes(ledger, [*names, "a.txt", "caf\udce9.txt"]) == {
        "a.txt": b"three",
        "caf\udce9.txt": b"two",
    }
    accept(ledger, {"a.txt": None, "b.txt": None})
    assert accepted_hashes(ledger, ["a.txt", "b.txt"]) == {}


def test_accepted_texts_of_an_older_ledger_are_none(tmp_path: Path) -> None:
    """It is read as it is, without a table for them; what isn't a hash there is none."""
    path = ledger_path(str(tmp_path))
    Ledger.open(path).close()
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("INSERT INTO accepted VALUES ('a.txt', 'no hash'), (7, x'00')")
    scratch = Ledger.scratch(path)
    assert accepted_hashes(scratch, ["a.txt"]) == {}
    scratch.close()
    with connection:
        connection.execute("DROP TABLE accepted")
    connection.close()
    scratch = Ledger.scratch(path)
    assert accepted_hashes(scratch, ["a.txt"]) == {}
    scratch.close()
