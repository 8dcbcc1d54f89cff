"""Putting back what a run replaced."""

from pathlib import Path

import pytest

from adapter.dataset.decide import Existing
from adapter.dataset.history import Replaced
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.selection import Selection, open_datasets
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.texts.text_store import Texts
from adapter.dataset.undo import undo
from adapter.dataset.writer import Writer
from adapter.errors import InvalidRequestError
from tests.datasets import finished


def overwrite(root: Path, texts: Texts, *names: str) -> None:
    """Replaces the texts of these images by `a cat`, as a run would."""
    with open_datasets(Selection([str(root)])) as (dataset,):
        batch = [
            finished(dataset, name, seen=(root / name).with_suffix(".txt").read_bytes()) for name in names
        ]
        writer = Writer(texts)
        writer.write(batch)
        writer.close()


def open_ledger(root: Path) -> Ledger:
    return Ledger.open(ledger_path(str(root)))


def test_undo_puts_texts_back_but_not_over_later_changes(tmp_path: Path) -> None:
    """What is put back counts as somebody's own; what was replaced by that can be put back in turn."""
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text(f"my {name}")
    overwrite(tmp_path, Sidecars(Existing.OVERWRITE, overwrite_edited=True), "a.png", "b.png", "c.png")
    assert {path.read_text() for path in tmp_path.glob("*.txt")} == {"a cat"}
    (tmp_path / "b.txt").write_text("changed since")
    (tmp_path / "c.txt").unlink()
    ledger = open_ledger(tmp_path)
    undone = undo(ledger, str(tmp_path))
    assert (undone.run, undone.restored, undone.kept, undone.failed) == (1, 1, 2, 0)
    assert {path.name: path.read_text() for path in tmp_path.glob("*.txt")} == {
        "a.txt": "my a",
        "b.txt": "changed since",
    }
    assert ledger.lookup(["a.txt"])["a.txt"].hash is None
    forced = undo(ledger, str(tmp_path), 1, force=True)
    assert (forced.restored, forced.kept) == (2, 0)
    assert (tmp_path / "b.txt").read_text() == "my b"
    assert (tmp_path / "c.txt").read_text() == "my c"
    again = undo(ledger, str(tmp_path))
    assert again.restored == 2, "the text that undoing replaced, and the one that it made"
    assert not (tmp_path / "c.txt").exists()
    assert (tmp_path / "a.txt").read_text() == "my a"
    assert (tmp_path / "b.txt").read_text() == "changed since"
    ledger.close()


def test_undo_of_texts_in_the_ledger_puts_them_back(tmp_path: Path) -> None:
    """They have no file."""
    (tmp_path / "a.txt").touch()
    ledger_texts = TextsInLedger(Existing.OVERWRITE)
    overwrite(tmp_path, ledger_texts, "a.png")
    with open_datasets(Selection([str(tmp_path)])) as (dataset,):
        writer = Writer(ledger_texts)
        writer.write([finished(dataset, "a.png", "a dog")])
        writer.close()
    ledger = open_ledger(tmp_path)
    assert undo(ledger, str(tmp_path)).restored == 1
    assert [entry.text for entry in ledger.entries()] == ["a cat"]
    ledger.close()


def test_undo_without_anything_to_put_back_says_so(tmp_path: Path) -> None:
    """A number that isn't there is told with those that are."""
    ledger = open_ledger(tmp_path)
    with pytest.raises(InvalidRequestError, match="Nothing was replaced"):
        undo(ledger, str(tmp_path))
    ledger.record((), (), [Replaced("a.txt", b"old", b"new")])
    with pytest.raises(InvalidRequestError, match="Run 7 replaced nothing that is kept; --run can be 1"):
        undo(ledger, str(tmp_path), 7)
    ledger.close()


def test_undo_writes_nothing_outside_of_the_dataset(tmp_path: Path) -> None:
    """The ledger may have come with the dataset."""
    root = tmp_path / "data"
    root.mkdir()
    outside = tmp_path / "outside.txt"
    outside.write_text("mine")
    (root / "link").symlink_to(tmp_path)
    (root / "pipe.txt").mkdir()
    ledger = open_ledger(root)
    names = ["../outside.txt", str(outside), "link/outside.txt", "pipe.txt"]
    ledger.record((), (), [Replaced(name, b"planted", b"new") for name in names])
    undone = undo(ledger, str(root), force=True)
    assert (undone.restored, undone.failed) == (0, 4)
    assert outside.read_text() == "mine"
    ledger.close()
