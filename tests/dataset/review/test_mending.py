"""Texts written as somebody wants them, many at a time."""

import os
from pathlib import Path

from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.review.mending import Conflict, Mended, Mender, Written
from adapter.dataset.selection import Selection, open_datasets
from adapter.dataset.texts.text_file import content_hash
from adapter.errors import WriteError
from tests.reviewed import Reviewed


def test_each_text_has_its_own_outcome(reviewed: Reviewed, tmp_path: Path) -> None:
    """Some are changed, made or removed; others were changed by somebody else, are unreadable, or outside."""
    reviewed.add(changed="a fox", removed="a fox", other="theirs", link="a fox")
    reviewed.image("made.png")
    (tmp_path / "outside.txt").write_text("a fox")
    (reviewed.root / "link.txt").unlink()
    (reviewed.root / "link.txt").symlink_to(tmp_path / "outside.txt")
    reviewed.refresh()
    seen = content_hash(b"a fox")
    wanted = [
        Mended("changed.png", "", "changed.txt", seen, "a cat"),
        Mended("made.png", "", "made.txt", None, "a cat"),
        Mended("removed.png", "", "removed.txt", seen, ""),
        Mended("other.png", "", "other.txt", seen, "a cat"),
        Mended("link.png", "", "link.txt", seen, "a cat"),
        Mended("outside.png", "", "../outside.txt", seen, "a cat"),
    ]
    with reviewed.index() as index, open_datasets(Selection([str(reviewed.root)]), alone=False) as (dataset,):
        mender = Mender(dataset, index, ".txt")
        assert mender.change is None
        outcomes = mender.write(wanted)
        assert mender.change == 1
        entries = dataset.lookup(["changed.txt", "made.txt", "other.txt"], nearby=False)
    assert [type(outcome) for outcome in outcomes] == [Written] * 3 + [Conflict] + [WriteError] * 2
    assert reviewed.contents() == {
        "changed.txt": "a cat",
        "link.txt": "a fox",
        "made.txt": "a cat",
        "other.txt": "theirs",
    }
    assert (tmp_path / "outside.txt").read_text() == "a fox"
    assert {name: (entry.state, entry.hash) for name, entry in entries.items()} == {
        "changed.txt": (WRITTEN, None),
        "made.txt": (WRITTEN, None),
    }
    states = {key: [text.state for text in item.texts] for key, item in reviewed.items().items()}
    assert states == {
        "changed.png": ["edited"],
        "made.png": ["edited"],
        "removed.png": [],
        "other.png": ["found"],
        "link.png": [""],
    }


def test_what_a_run_wrote_stays_in_the_ledger_as_it_was(reviewed: Reviewed) -> None:
    """That the text says something else now makes it somebody's own."""
    reviewed.add(a="a fox")
    entry = Entry("a.txt", "a.png", "", WRITTEN, hash=content_hash(b"a fox"), seconds=1.5)
    with reviewed.ledger() as ledger:
        ledger.record([entry])
    reviewed.refresh()
    with reviewed.index() as index, open_datasets(Selection([str(reviewed.root)]), alone=False) as (dataset,):
        mended = Mended("a.png", "", "a.txt", content_hash(b"a fox"), "a cat")
        assert Mender(dataset, index, ".txt").write([mended]) == [Written()]
        assert dataset.ledger.lookup(["a.txt"])["a.txt"] == entry
    assert reviewed.items()["a.png"].texts[0].state == "edited"
    assert os.listdir(reviewed.root / ".joycaption")
