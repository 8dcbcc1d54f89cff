"""What runs replaced."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapter.dataset.history import Replaced
from adapter.dataset.ledger import Ledger
from adapter.dataset.records import WRITTEN, Entry

ENTRY = Entry("a.txt", "a.png", "", WRITTEN, hash=b"new")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Gives the path of a ledger that isn't there yet."""
    return tmp_path / "ledger.sqlite"


def test_runs_are_those_that_replaced_something(path: Path) -> None:
    """Each time that the ledger is opened it is another run."""
    for number in range(3):
        ledger = Ledger.open(path)
        ledger.record([ENTRY], (), [Replaced("a.txt", b"%d" % number, b"new")] if number != 1 else [])
        ledger.close()
    ledger = Ledger.open(path)
    assert [(past.number, past.replaced) for past in ledger.history.runs()] == [(2, 1), (1, 1)]
    assert list(ledger.history.replaced(1)) == [Replaced("a.txt", b"0", b"new")]
    ledger.close()


def test_a_text_that_is_replaced_twice_is_kept_as_it_was_before_the_run(path: Path) -> None:
    """What the run wrote in between is nobody's."""
    ledger = Ledger.open(path)
    ledger.record([ENTRY], (), [Replaced("a.txt", b"old", b"new")])
    ledger.record([ENTRY], (), [Replaced("a.txt", b"new", b"newer")])
    assert list(ledger.history.replaced(1)) == [Replaced("a.txt", b"old", b"newer")]
    ledger.history.forget(1, ["a.txt"])
    assert ledger.history.runs() == []
    ledger.close()


def test_texts_that_only_the_ledger_holds_are_kept_too(path: Path) -> None:
    """There is no file to look into."""
    ledger = Ledger.open(path)
    ledger.record([replace(ENTRY, text="old", hash=b"old")])
    ledger.record([replace(ENTRY, text="new", hash=b"new")])
    assert list(ledger.history.replaced(1)) == [Replaced("a.txt", b"old", b"new")]
    ledger.close()


def test_the_oldest_are_dropped_where_there_are_too_many(path: Path) -> None:
    """How many were is known, to be said."""
    for number in range(4):
        ledger = Ledger.open(path)
        ledger.history.max_bytes = 25
        ledger.record([ENTRY], (), [Replaced(f"{number}.txt", b"x" * 10, b"new")])
        dropped = ledger.history.dropped
        kept = [past.number for past in ledger.history.runs()]
        ledger.close()
    assert (kept, dropped) == ([4, 3], 1)
