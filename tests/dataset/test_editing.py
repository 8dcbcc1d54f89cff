"""Changes of texts that are there."""

import contextlib
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapter.dataset.decide import KeepEdited
from adapter.dataset.editing import Edit, Outcome, write_edits
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.undo import undo
from adapter.errors import LedgerError, WriteError

EDITORS = 4
TEXTS = 30
# Edits so many texts, and is killed when as many are in their places as it was told.
KILLED = f"""
import os, signal, sys
from pathlib import Path
from adapter.dataset.editing import Edit, write_edits
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path

put = os.replace
calls = []
def replace(source, place):
    calls.append(place)
    if len(calls) > int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    put(source, place)
os.replace = replace

root = sys.argv[1]
ledger = Ledger.open(ledger_path(root), alone=False)
write_edits(ledger, [Edit(f"{{root}}/{{n}}.txt", f"{{n}}.txt", b"old", b"new") for n in range({TEXTS})])
"""


def edit(root: Path, name: str, old: bytes, new: bytes) -> Edit:
    return Edit(str(root / name), name, old, new)


def contents(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(root.glob("*.txt"))}


def test_edits_change_make_and_remove_texts_and_undo_puts_all_back(ledger: Ledger, tmp_path: Path) -> None:
    """An empty text stands for none."""
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "b.txt").write_text("gone")
    (tmp_path / "a.txt").chmod(0o640)
    edits = [
        edit(tmp_path, "a.txt", b"old", b"new"),
        edit(tmp_path, "b.txt", b"gone", b""),
        edit(tmp_path, "c.txt", b"", b"made"),
    ]
    assert write_edits(ledger, edits) == [None] * 3
    assert contents(tmp_path) == {"a.txt": "new", "c.txt": "made"}
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640
    assert undo(ledger, str(tmp_path)).restored == 3
    assert contents(tmp_path) == {"a.txt": "old", "b.txt": "gone"}


def test_edits_keep_what_was_changed_meanwhile(ledger: Ledger, tmp_path: Path) -> None:
    """One that came, one that went, and one that says something else; the others are changed."""
    (tmp_path / "came.txt").write_text("theirs")
    (tmp_path / "other.txt").write_text("theirs")
    (tmp_path / "as_seen.txt").write_text("old")
    (tmp_path / "folder.txt").mkdir()
    names = [("came.txt", b""), ("went.txt", b"old"), ("other.txt", b"old"), ("as_seen.txt", b"old")]
    *kept, changed = write_edits(ledger, [edit(tmp_path, name, old, b"mine") for name, old in names])
    assert kept == [KeepEdited()] * 3
    assert changed is None
    [failed] = write_edits(ledger, [edit(tmp_path, "folder.txt", b"", b"mine")])
    assert isinstance(failed, WriteError)
    (tmp_path / "folder.txt").rmdir()
    assert contents(tmp_path) == {"as_seen.txt": "mine", "came.txt": "theirs", "other.txt": "theirs"}
    assert not list(tmp_path.glob(".joycaption-*"))


def test_edits_without_a_ledger_change_nothing(ledger: Ledger, tmp_path: Path) -> None:
    """What can't be put back isn't replaced."""
    (tmp_path / "a.txt").write_text("old")
    ledger.close()
    with pytest.raises(LedgerError):
        write_edits(ledger, [edit(tmp_path, "a.txt", b"old", b"new")])
    assert contents(tmp_path) == {"a.txt": "old"}
    assert not list(tmp_path.glob(".joycaption-*"))


def test_of_edits_of_one_text_at_one_time_one_is_made(tmp_path: Path) -> None:
    """It is whole, the others are told that it was changed, and what was there can be put back."""
    together = threading.Barrier(EDITORS)

    def write(root: Path, number: int) -> list[Outcome]:
        with contextlib.closing(Ledger.open(ledger_path(str(root)), alone=False)) as ledger:
            together.wait()
            return write_edits(ledger, [edit(root, "a.txt", b"old", b"%d" % number * 100_000)])

    for attempt in range(5):
        root = tmp_path / str(attempt)
        root.mkdir()
        (root / "a.txt").write_text("old")
        Ledger.open(ledger_path(str(root))).close()
        with ThreadPoolExecutor(EDITORS) as threads:
            outcomes = [outcome for (outcome,) in threads.map(write, [root] * EDITORS, range(EDITORS))]
        assert sorted(map(str, outcomes)) == [str(KeepEdited())] * (EDITORS - 1) + ["None"]
        assert contents(root) == {"a.txt": str(outcomes.index(None)) * 100_000}
        with contextlib.closing(Ledger.open(ledger_path(str(root)))) as ledger:
            undone = [undo(ledger, str(root), past.number) for past in ledger.history.runs()]
        assert [one.restored for one in undone].count(1) == 1
        assert contents(root) == {"a.txt": "old"}


@pytest.mark.parametrize("after", [0, 1, TEXTS // 2, TEXTS - 1])
def test_undo_puts_all_back_after_a_kill_in_the_middle(tmp_path: Path, after: int) -> None:
    """Also what the killed process hadn't come to counts as put back; nothing is left lying about."""
    for number in range(TEXTS):
        (tmp_path / f"{number}.txt").write_text("old")
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(after)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert list(contents(tmp_path).values()).count("new") == after
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path)))) as ledger:
        undone = undo(ledger, str(tmp_path))
        assert (undone.restored, undone.kept, undone.failed) == (TEXTS, 0, 0)
        assert set(contents(tmp_path).values()) == {"old"}
        assert not list(tmp_path.glob(".joycaption-*"))


def test_texts_are_changed_beside_a_run(ledger: Ledger, tmp_path: Path) -> None:
    """Which holds the ledger; both are kept in it, and undone by themselves."""
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "b.txt").write_text("old")
    with contextlib.closing(Ledger.open(ledger.path, alone=False)) as beside:
        assert write_edits(beside, [edit(tmp_path, "a.txt", b"old", b"new")]) == [None]
        assert write_edits(ledger, [edit(tmp_path, "b.txt", b"old", b"new")]) == [None]
        assert [past.replaced for past in ledger.history.runs()] == [1, 1]
        assert beside.history.run is not None
        assert undo(beside, str(tmp_path), beside.history.run).restored == 1
    assert ((tmp_path / "a.txt").read_text(), (tmp_path / "b.txt").read_text()) == ("old", "new")
