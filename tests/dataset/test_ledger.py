"""The ledger."""

import os
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import dataset_ledgers, ledger_path
from adapter.dataset.overview import count
from adapter.dataset.records import FOUND, WRITTEN, Entry, Failure, displayed
from adapter.errors import LedgerError, LedgerUnavailableError

ENTRY = Entry(
    output="a.txt",
    image="a.png",
    style="",
    state=WRITTEN,
    size=10,
    mtime_ns=20,
    details='{"prompt": "Say."}',
    hash=b"h",
    previous_hash=b"p",
    text=None,
    prompt_tokens=100,
    completion_tokens=5,
    seconds=1.5,
    finish_reason="length",
    at=3.0,
)
FAILURE = Failure("a.png", "a.txt", "image_damaged", "It is damaged", 5.0)


def test_what_is_recorded_is_found_again(tmp_path: Path) -> None:
    """Another run finds it, too."""
    path = ledger_path(str(tmp_path))
    ledger = Ledger.open(path)
    ledger.record([ENTRY, Entry("b.txt", "b.png", "", FOUND)])
    assert ledger.lookup(["a.txt", "none.txt"]) == {"a.txt": ENTRY}
    ledger.close()
    ledger = Ledger.open_read_only(path)
    assert [entry.output for entry in ledger.entries()] == ["a.txt", "b.txt"]
    assert count(ledger) == {
        WRITTEN: 1,
        FOUND: 1,
        "prompt_tokens": 100,
        "completion_tokens": 5,
        "cut": 1,
    }
    ledger.close()


def test_a_failure_lasts_until_there_is_a_text(tmp_path: Path) -> None:
    """There is one for each image and output."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    ledger.record((), [FAILURE])
    ledger.record((), [FAILURE])
    assert list(ledger.failures()) == [FAILURE]
    assert list(ledger.failures(recent=True)) == [FAILURE]
    ledger.record([ENTRY])
    assert list(ledger.failures()) == []
    ledger.close()


def test_thousands_are_looked_up_together(tmp_path: Path) -> None:
    """These are more than SQLite takes parameters."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    outputs = [f"{number}.txt" for number in range(2500)]
    ledger.record([Entry(output, output, "", FOUND) for output in outputs])
    assert set(ledger.lookup(outputs)) == set(outputs)
    ledger.close()


def test_names_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    """They stay as the file system gave them."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    odd = os.fsdecode(b"caf\xe9.txt")
    ledger.record([Entry(odd, odd, "", FOUND)])
    assert ledger.lookup([odd])[odd].image == odd
    assert displayed(odd) == "caf\\udce9.txt"
    ledger.close()


def test_one_run_at_a_time_writes(tmp_path: Path) -> None:
    """Others may read meanwhile."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    with pytest.raises(LedgerUnavailableError, match="Another run"):
        Ledger.open(path)
    Ledger.open_read_only(path).close()
    ledger.close()
    Ledger.open(path).close()


def test_shares_read_each_others_ledgers(tmp_path: Path) -> None:
    """What was recorded last counts, whoever did, and only found is less than written."""
    first = Ledger.open(ledger_path(str(tmp_path), (1, 2)))
    first.record([ENTRY])
    second = Ledger.open(ledger_path(str(tmp_path), (2, 2)))
    assert second.lookup(["a.txt"]) == {"a.txt": ENTRY}
    assert len(dataset_ledgers(str(tmp_path))) == 2
    second.record([Entry("a.txt", "a.png", "", FOUND)])
    assert second.lookup(["a.txt"]) == {"a.txt": ENTRY}
    newer = replace(ENTRY, at=4.0, hash=b"newer")
    second.record([newer])
    assert second.lookup(["a.txt"]) == {"a.txt": newer}
    first.record([replace(ENTRY, at=5.0)])
    assert second.lookup(["a.txt"]) == {"a.txt": replace(ENTRY, at=5.0)}
    assert list(second.entries()) == [replace(ENTRY, at=5.0)]
    first.close()
    second.close()


def test_a_ledger_that_can_not_be_opened_says_so(tmp_path: Path) -> None:
    """The error tells where else it could be."""
    (tmp_path / "file").touch()
    garbage = tmp_path / "garbage.sqlite"
    garbage.write_bytes(b"no database" * 100)
    newer = tmp_path / "newer.sqlite"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    for path in (tmp_path / "file/ledger.sqlite", garbage, newer):
        with pytest.raises(LedgerUnavailableError, match="--ledger PATH puts it elsewhere"):
            Ledger.open(path)


def test_a_failed_write_changes_nothing(tmp_path: Path) -> None:
    """The next write is whole again."""
    ledger = Ledger.open(tmp_path / "ledger.sqlite")
    with pytest.raises(LedgerError, match="can't be written"):
        ledger.record([ENTRY, replace(ENTRY, state=None)])  # type: ignore[arg-type]
    assert ledger.lookup(["a.txt"]) == {}
    ledger.record([ENTRY])
    assert ledger.lookup(["a.txt"])["a.txt"].details == ENTRY.details
    ledger.close()


def test_what_a_killed_run_left_half_written_is_taken_back(tmp_path: Path) -> None:
    """Whoever reads it next does that, too."""
    path = tmp_path / ".joycaption/ledger.sqlite"
    ledger = Ledger.open(path)
    ledger.record([ENTRY])
    ledger.close()
    script = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
for number in range(20000):
    row = (f"{number}.txt", "x" * 50, "", "found")
    connection.execute("INSERT INTO captions (output, image, style, state) VALUES (?,?,?,?)", row)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script, path], check=False)
    assert path.with_name(path.name + "-journal").exists()
    reader = Ledger.open_read_only(path)
    assert [entry.output for entry in reader.entries()] == ["a.txt"]
    with pytest.raises(LedgerError):
        reader.record([ENTRY])
    reader.close()


def test_a_share_that_is_just_being_made_is_no_sibling_yet(tmp_path: Path) -> None:
    """Machines that start together don't trip over each other."""
    unfinished = ledger_path(str(tmp_path), (2, 2))
    unfinished.parent.mkdir()
    unfinished.touch()
    first = Ledger.open(ledger_path(str(tmp_path), (1, 2)))
    assert first.lookup(["a.txt"]) == {}
    first.close()


def test_a_scratch_ledger_knows_all_and_keeps_its_own_to_itself(tmp_path: Path) -> None:
    """It can be made even while a run holds the real one."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger.open(path)
    ledger.record([ENTRY], [replace(FAILURE, image="c.png")])
    scratch = Ledger.scratch(path)
    scratch.record([Entry("b.txt", "b.png", "", FOUND)])
    assert set(scratch.lookup(["a.txt", "b.txt"])) == {"a.txt", "b.txt"}
    assert [failure.image for failure in scratch.failures()] == ["c.png"]
    assert ledger.lookup(["b.txt"]) == {}
    scratch.close()
    ledger.close()
    Ledger.scratch(tmp_path / "none/ledger.sqlite").close()
    assert not (tmp_path / "none").exists()


def test_entries_of_several_shares_are_sorted_and_have_each_text_once(tmp_path: Path) -> None:
    """The ledger's own entry counts, as it does where it is looked up."""
    names = ["ä.txt", "b.txt", os.fsdecode(b"caf\xe9.txt"), "c.txt", "a.txt"]
    other = Ledger.open(ledger_path(str(tmp_path), (1, 2)))
    other.record([Entry(name, name, "", FOUND) for name in names])
    other.close()
    ledger = Ledger.open(ledger_path(str(tmp_path)))
    ledger.record([Entry("b.txt", "b.txt", "", WRITTEN), Entry("d.txt", "d.txt", "", WRITTEN)])
    entries = list(ledger.entries())
    assert [entry.output for entry in entries] == ["a.txt", "b.txt", "c.txt", "d.txt", "ä.txt", names[2]]
    assert [entry.output for entry in entries if entry.state == WRITTEN] == ["b.txt", "d.txt"]
    ledger.close()
