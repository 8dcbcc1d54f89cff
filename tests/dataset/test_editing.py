"""Texts that are changed so that the change can be undone."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.dataset.editing import Edit, write_edits
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.undo import undo
from adapter.errors import LedgerError


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path)))) as ledger:
        yield ledger


def edit(folder: Path, name: str, old: str, new: str) -> Edit:
    return Edit(str(folder / name), name, old.encode(), new.encode())


def test_edits_are_written_made_and_removed_and_undone(ledger: Ledger, tmp_path: Path) -> None:
    """Undo takes away what was made, and brings back what was removed; so does undoing that."""
    (tmp_path / "changed.txt").write_text("old")
    (tmp_path / "removed.txt").write_text("old")
    (tmp_path / "changed.txt").chmod(0o640)
    edits = [
        edit(tmp_path, "changed.txt", "old", "new"),
        edit(tmp_path, "made.txt", "", "new"),
        edit(tmp_path, "removed.txt", "old", ""),
    ]
    assert write_edits(ledger, edits) == [None, None, None]
    after = {path.name: path.read_text() for path in tmp_path.glob("*.txt")}
    assert after == {"changed.txt": "new", "made.txt": "new"}
    assert (tmp_path / "changed.txt").stat().st_mode & 0o777 == 0o640
    assert undo(ledger, str(tmp_path)).restored == 3
    before = {path.name: path.read_text() for path in tmp_path.glob("*.txt")}
    assert before == {"changed.txt": "old", "removed.txt": "old"}
    assert undo(ledger, str(tmp_path)).restored == 3
    assert {path.name: path.read_text() for path in tmp_path.glob("*.txt")} == after
    assert not list(tmp_path.glob(".joycaption-*"))


def test_what_was_changed_since_it_was_seen_stays(ledger: Ledger, tmp_path: Path) -> None:
    """Each text counts for itself."""
    (tmp_path / "a.txt").write_text("somebody else's")
    (tmp_path / "b.txt").write_text("old")
    (tmp_path / "folder.txt").mkdir()
    edits = [edit(tmp_path, f"{name}.txt", "old", "new") for name in ("a", "b", "folder", "none/c")]
    changed, written, irregular, gone = write_edits(ledger, edits)
    assert changed is not None
    assert changed.message == "It was changed meanwhile, and stays as it is"
    assert written is None
    assert irregular is not None
    assert gone is not None
    assert (tmp_path / "a.txt").read_text() == "somebody else's"
    assert (tmp_path / "b.txt").read_text() == "new"
    assert not list(tmp_path.glob(".joycaption-*.tmp"))


def test_nothing_is_changed_that_the_ledger_cannot_keep(ledger: Ledger, tmp_path: Path) -> None:
    """Or it could not be undone."""
    (tmp_path / "a.txt").write_text("old")
    with ledger.transaction() as connection:
        connection.execute("DROP TABLE history")
    with pytest.raises(LedgerError):
        write_edits(ledger, [edit(tmp_path, "a.txt", "old", "new")])
    assert (tmp_path / "a.txt").read_text() == "old"
    assert not list(tmp_path.glob(".joycaption-*.tmp"))


def test_texts_are_changed_beside_a_run(ledger: Ledger, tmp_path: Path) -> None:
    """Which holds the ledger; both are kept in it, and undone by themselves."""
    (tmp_path / "a.txt").write_text("old")
    (tmp_path / "b.txt").write_text("old")
    with contextlib.closing(Ledger.open(ledger.path, alone=False)) as beside:
        assert write_edits(beside, [edit(tmp_path, "a.txt", "old", "new")]) == [None]
        assert write_edits(ledger, [edit(tmp_path, "b.txt", "old", "new")]) == [None]
        assert [past.replaced for past in ledger.history.runs()] == [1, 1]
        assert beside.history.run is not None
        assert undo(beside, str(tmp_path), beside.history.run).restored == 1
    assert ((tmp_path / "a.txt").read_text(), (tmp_path / "b.txt").read_text()) == ("old", "new")
