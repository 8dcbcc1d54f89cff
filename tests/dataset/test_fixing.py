"""Loops and cut ends taken off texts that are there."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter.caption.flaws import Form
from adapter.dataset.fixing import Fixer
from adapter.dataset.judging import Standard, read_and_judge
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.undo import undo
from adapter.errors import LedgerError

GOOD = "A photograph of a red fox that stands in deep snow, with bare birches behind it."
LOOP = GOOD + " The sky is grey today." * 6
FIXED = GOOD + " The sky is grey today."


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path)))) as ledger:
        yield ledger


def fix(ledger: Ledger, folder: Path, root: Path, *paths: str) -> Fixer:
    """Fixes these texts below `root`, whose ledger is that of `folder`."""
    fixer = Fixer(ledger, str(folder), Standard(str(root), Form.PROSE))
    for read in read_and_judge(Standard(str(root), Form.PROSE), [(path, path) for path in paths]):
        fixer.take(read)
    fixer.finish()
    return fixer


def test_fix_keeps_what_is_good_and_undo_puts_all_back(ledger: Ledger, tmp_path: Path) -> None:
    """In a folder of the dataset, too, whose ledger lies above it."""
    (tmp_path / "below").mkdir()
    (tmp_path / "a.txt").write_text(LOOP)
    (tmp_path / "below/b.txt").write_text(f"\n{LOOP}\n")
    (tmp_path / "good.txt").write_text(GOOD)
    assert fix(ledger, tmp_path, tmp_path, "a.txt", "good.txt").fixed == 1
    assert fix(ledger, tmp_path, tmp_path / "below", "b.txt").fixed == 1
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "below/b.txt").read_text() == FIXED
    assert undo(ledger, str(tmp_path)).restored == 2
    assert (tmp_path / "below/b.txt").read_text() == f"\n{LOOP}\n"


def test_fix_leaves_what_cannot_be_repaired(ledger: Ledger, tmp_path: Path) -> None:
    """Other flaws, and what was changed since it was judged."""
    (tmp_path / "refusal.txt").write_text("I'm sorry, but I can't help with this image.")
    (tmp_path / "all.txt").write_text("soft " * 40)
    assert fix(ledger, tmp_path, tmp_path, "refusal.txt", "all.txt").fixed == 0
    (tmp_path / "a.txt").write_text(LOOP)
    standard = Standard(str(tmp_path), Form.PROSE)
    (read,) = read_and_judge(standard, [("a.txt", "a.png")])
    (tmp_path / "a.txt").write_text("changed meanwhile")
    fixer = Fixer(ledger, str(tmp_path), standard)
    assert not fixer.take(read)
    (tmp_path / "a.txt").unlink()
    assert not fixer.take(read)
    (tmp_path / "a.txt").symlink_to("/etc/hostname")
    assert not fixer.take(read)
    assert fixer.problems == [("a.txt", "It is a link: fix what it leads to")]
    fixer.finish()
    assert fixer.fixed == 0


def test_fix_loses_nothing_that_somebody_writes_meanwhile(ledger: Ledger, tmp_path: Path) -> None:
    """Right before a text is put into its place it is looked at again."""
    standard = Standard(str(tmp_path), Form.PROSE)
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(LOOP)
    fixer = Fixer(ledger, str(tmp_path), standard)
    for read in read_and_judge(standard, [("a.txt", "a.png"), ("b.txt", "b.png")]):
        assert fixer.take(read)
    (tmp_path / "a.txt").write_text("changed meanwhile")
    fixer.finish()
    assert (fixer.fixed, [path for path, _ in fixer.problems]) == (1, ["a.txt"])
    assert (tmp_path / "a.txt").read_text() == "changed meanwhile"
    assert undo(ledger, str(tmp_path)).restored == 1


def test_fix_that_fails_leaves_no_temporary_file(ledger: Ledger, tmp_path: Path) -> None:
    """Where its ledger can't be written, the text stays as it is."""
    (tmp_path / "a.txt").write_text(LOOP)
    standard = Standard(str(tmp_path), Form.PROSE)
    fixer = Fixer(ledger, str(tmp_path), standard)
    (read,) = read_and_judge(standard, [("a.txt", "a.png")])
    fixer.take(read)
    with ledger.transaction() as connection:
        connection.execute("DROP TABLE history")
    with pytest.raises(LedgerError):
        fixer.finish()
    assert not list(tmp_path.glob(".joycaption-*.tmp"))
    assert (tmp_path / "a.txt").read_text() == LOOP


def test_fix_of_a_run_s_text_leaves_it_the_run_s(ledger: Ledger, tmp_path: Path) -> None:
    """A later run may replace it; one that was changed by hand stays its owner's."""
    for name, said in (("ours", LOOP), ("edited", GOOD)):
        (tmp_path / f"{name}.txt").write_text(LOOP)
        entry = Entry(f"{name}.txt", f"{name}.png", "", WRITTEN, hash=content_hash(said.encode()))
        ledger.record([entry])
    fix(ledger, tmp_path, tmp_path, "ours.txt", "edited.txt")
    known = ledger.lookup(["ours.txt", "edited.txt"])
    assert known["ours.txt"].hash == content_hash(FIXED.encode())
    assert known["ours.txt"].previous_hash == content_hash(LOOP.encode())
    assert known["edited.txt"].hash == content_hash(GOOD.encode())
