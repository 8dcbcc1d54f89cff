"""Many texts that are changed at once."""

import contextlib
from array import array
from pathlib import Path

import pytest

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.review.bulk import Changed, change_texts, preview_change, undo_change
from adapter.dataset.review.changes import AddTags, Change, Replace
from adapter.dataset.review.findings import findings
from adapter.dataset.review.frequencies import frequencies
from adapter.dataset.review.index import Index
from adapter.dataset.review.item_filter import ItemFilter
from adapter.dataset.review.lookup import found
from adapter.dataset.review.mending import Mended
from adapter.dataset.review.refresh import refresh
from adapter.dataset.texts import text_file
from adapter.dataset.texts.text_file import content_hash


class Set:
    """A dataset of some texts, with its index."""

    def __init__(self, folder: Path, **texts: str | bytes) -> None:
        self.folder = folder / "set"
        self.folder.mkdir()
        self.path = folder / "index.sqlite"
        for number, (name, text) in enumerate(texts.items()):
            (self.folder / f"{name}.png").write_bytes(b"x" * number)
            (self.folder / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
        refresh(self.path, str(self.folder), ".txt")
        with contextlib.closing(Index.open(self.path)) as index:
            self.numbers = found(index, ItemFilter())

    def text(self, name: str) -> str:
        return (self.folder / f"{name}.txt").read_text()

    def change(self, change: Change, number: int | None = None) -> Changed:
        return change_texts(
            self.path, str(self.folder), ".txt", self.numbers, change, style=None, number=number
        )


def test_a_change_is_previewed_made_and_undone(tmp_path: Path) -> None:
    """In parts that count as one; the texts are found by their new words, and are somebody's own."""
    some = Set(tmp_path, a="A red fox.", b="A grey fox.", c="A cat.")
    shown = preview_change(some.path, some.numbers, Replace("fox", "dog"), style=None, first=1, count=5)
    assert (shown.count, shown.changes) == (2, (("b.txt", "A grey fox.", "A grey dog."),))
    first = some.change(Replace("red fox", "red dog"))
    second = some.change(Replace("grey fox", "grey dog"), first.change)
    assert (first.changed, second.changed, first.change) == (1, 1, second.change)
    assert (some.text("a"), some.text("b"), some.text("c")) == ("A red dog.", "A grey dog.", "A cat.")
    with contextlib.closing(Index.open(some.path)) as index:
        assert len(found(index, ItemFilter("dog"))) == 2
        assert len(found(index, ItemFilter(state=None, query="fox"))) == 0
    assert first.change is not None
    assert undo_change(str(some.folder), first.change, force=False).restored == 2
    assert (some.text("a"), some.text("b")) == ("A red fox.", "A grey fox.")


def test_what_cannot_be_changed_is_told_and_stays(tmp_path: Path) -> None:
    """Texts that aren't UTF-8, links, and those that would grow too large."""
    some = Set(tmp_path, a="A fox.", binary=b"\xff fox", link="A fox.", large="fox " * 200_000)
    (some.folder / "link.txt").unlink()
    (some.folder / "link.txt").symlink_to(some.folder / "a.txt")
    done = some.change(Replace("fox", "a dog of some size"))
    assert (done.changed, done.failed) == (1, 3)
    assert {path for path, _ in done.problems} == {"binary.txt", "link.txt", "large.txt"}
    assert (some.folder / "binary.txt").read_bytes() == b"\xff fox"
    assert (some.folder / "link.txt").is_symlink()


def test_a_change_is_made_to_what_is_there_now(tmp_path: Path) -> None:
    """Whatever the index knows; one whose text has gone is left out."""
    some = Set(tmp_path, a="A fox.", b="A fox.")
    (some.folder / "a.txt").write_text("Another fox, since.")
    (some.folder / "b.txt").unlink()
    assert some.change(Replace("fox", "dog")).changed == 1
    assert some.text("a") == "Another dog, since."
    assert not (some.folder / "b.txt").exists()


def test_a_change_in_mid_run_can_be_undone_though_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is replaced is in the ledger before the first text is in its place."""
    some = Set(tmp_path, a="A fox.", b="A fox.", c="A fox.")
    put, left = text_file.put_in_place, [1]

    def killed(temporary: str, path: str) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        put(temporary, path)

    monkeypatch.setattr(text_file, "put_in_place", killed)
    with pytest.raises(KeyboardInterrupt):
        some.change(Replace("fox", "dog"))
    monkeypatch.undo()
    assert [some.text(name) for name in "abc"].count("A dog.") == 1
    with contextlib.closing(Ledger.open_read_only(ledger_path(str(some.folder)))) as ledger:
        [past] = ledger.history.runs()
    undone = undo_change(str(some.folder), past.number, force=False)
    assert (undone.restored, undone.kept) == (1, 2)
    assert [some.text(name) for name in "abc"] == ["A fox."] * 3


def test_a_run_s_text_that_is_changed_counts_as_edited(tmp_path: Path) -> None:
    """And one that was found counts as somebody's own, so that no run replaces it."""
    some = Set(tmp_path, a="A fox.", b="A fox.")
    with contextlib.closing(Ledger.open(ledger_path(str(some.folder)))) as ledger:
        ledger.record([Entry("a.txt", "a.png", "", WRITTEN, hash=content_hash(b"A fox."))])
    some.change(AddTags(("sks",), first=True))
    with contextlib.closing(Ledger.open_read_only(ledger_path(str(some.folder)))) as ledger:
        known = ledger.lookup(["a.txt", "b.txt"])
    assert known["a.txt"].hash == content_hash(b"A fox.")
    assert (known["b.txt"].state, known["b.txt"].hash) == (WRITTEN, None)


def test_words_tags_and_shared_texts_are_counted(tmp_path: Path) -> None:
    """Each word once for each text; images of one size may be copies."""
    tags = "red_fox, snow, birch, outdoors, no_humans, winter"
    some = Set(tmp_path, a="A fox and a fox.", b="The fox.", c=tags, d=tags)
    counted = frequencies(some.path, some.numbers)
    assert counted.texts == 4
    assert dict(counted.words)["fox"] == 2
    assert "the" not in dict(counted.words)
    assert dict(counted.tags)["red fox"] == 2
    [shared] = findings(some.path).shared
    assert (shared.text, shared.images) == (tags, 2)
    assert frequencies(some.path, array("q")).texts == 0


def test_a_mended_text_says_what_it_replaces() -> None:
    """None stands for no text."""
    assert Mended("a.png", "", "a.txt", None, "new").seen is None
