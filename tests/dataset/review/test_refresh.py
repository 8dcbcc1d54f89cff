"""An index that is brought up to date."""

import contextlib
import os
from pathlib import Path

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry, Failure
from adapter.dataset.review.index import Index
from adapter.dataset.review.item_filter import ItemFilter, State
from adapter.dataset.review.lookup import found, items, summary
from adapter.dataset.review.reading import Reader
from adapter.dataset.review.refresh import refresh
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.verdicts import Verdict

FOX = "A photograph of a red fox that stands in deep snow, with bare birches behind it."


def looked(folder: Path, meant: ItemFilter) -> list[str]:
    """Gives the keys of the items that are meant, after the index was brought up to date."""
    path = folder.parent / "index.sqlite"
    assert refresh(path, str(folder), ".txt") == ""
    with contextlib.closing(Index.open(path)) as index:
        return [item.key for item in items(index, found(index, meant))]


def test_who_wrote_a_text_is_known_from_the_ledger(tmp_path: Path) -> None:
    """Also from that of a folder above; failures come with what was refused, and end when they are over."""
    folder = tmp_path / "set/below"
    folder.mkdir(parents=True)
    for name in ("model", "edited", "found", "failed", "refused"):
        (folder / f"{name}.png").touch()
    for name in ("model", "edited", "found"):
        (folder / f"{name}.txt").write_text(FOX)
    written = Entry("below/model.txt", "below/model.png", "", WRITTEN, hash=content_hash(FOX.encode()))
    edited = Entry("below/edited.txt", "below/edited.png", "", WRITTEN, hash=b"other")
    failure = Failure("below/failed.png", "below/failed.txt", "image_damaged", "It is damaged", 1.0)
    refused = Failure("below/refused.png", "below/refused.txt", "bad_caption", "No good caption", 1.0)
    verdict = Verdict("below/refused.txt", 3, ("loop",), "on and on")
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path / "set")))) as ledger:
        ledger.record([written, edited], [failure, refused], (), [verdict])
    for state, name in ((State.WRITTEN, "model"), (State.EDITED, "edited"), (State.FOUND, "found")):
        assert looked(folder, ItemFilter(state=state)) == [f"{name}.png"]
    assert looked(folder, ItemFilter(state=State.FAILED)) == ["failed.png"]
    assert looked(folder, ItemFilter(state=State.REFUSED)) == ["refused.png"]
    with contextlib.closing(Index.open(folder.parent / "index.sqlite")) as index:
        [item] = items(index, found(index, ItemFilter(state=State.REFUSED)))
        assert (item.failure, item.refused) == ("bad_caption", "on and on")
        assert summary(index).states["none"] == 2
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path / "set")))) as ledger:
        ledger.record([Entry("below/refused.txt", "below/refused.png", "", WRITTEN)])
    assert looked(folder, ItemFilter(state=State.REFUSED)) == []


def test_what_comes_goes_and_changes_is_seen(tmp_path: Path) -> None:
    """By size and time."""
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.png").touch()
        (folder / f"{name}.txt").write_text(FOX)
    assert looked(folder, ItemFilter("fox")) == ["a.png", "b.png"]
    (folder / "a.txt").write_text(FOX.replace("fox", "cat"))
    os.unlink(folder / "b.txt")
    os.utime(folder / "a.txt", (1, 1))
    (folder / "c.png").touch()
    assert looked(folder, ItemFilter("fox")) == []
    assert looked(folder, ItemFilter("cat")) == ["a.png"]
    assert looked(folder, ItemFilter(state=State.NONE)) == ["b.png", "c.png"]


def test_a_text_that_is_gone_is_none(tmp_path: Path) -> None:
    """As one that was never there, or holds only blanks."""
    (tmp_path / "blank.txt").write_text(" \n")
    gone, blank = Reader(str(tmp_path), None).read(["gone.txt", "blank.txt"])
    assert (gone.hash, gone.problem, blank.hash, blank.problem) == (None, "", None, "")
