"""Bringing an index up to date."""

import os
import sqlite3
from pathlib import Path

import pytest

from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.records import WRITTEN, Entry, Failure
from adapter.dataset.review.index import Index
from adapter.dataset.review.item_filter import ItemFilter, State
from adapter.dataset.review.lookup import found
from adapter.dataset.texts.text_file import content_hash
from adapter.errors import InvalidRequestError
from tests.reviewed import Reviewed


def test_refresh_follows_what_becomes_of_files(reviewed: Reviewed) -> None:
    """What is new, changed and gone; nothing is written into the folder."""
    reviewed.add(a="a fox", b="a fox", c="a fox")
    (reviewed.root / "d.png").touch()
    assert reviewed.refresh() == ""
    assert set(reviewed.items("fox")) == {"a.png", "b.png", "c.png"}
    reviewed.add(a="a cat", d="a fox")
    (reviewed.root / "b.txt").unlink()
    (reviewed.root / "c.png").unlink()
    (reviewed.root / "a.booru.txt").write_text("red_fox, snow, trees, night, moon, stars")
    reviewed.refresh()
    assert set(reviewed.items()) == {"a.png", "b.png", "d.png"}
    assert set(reviewed.items("fox")) == {"a.png", "d.png"}
    assert set(reviewed.items("tag:red_fox")) == {"a.png"}
    assert not (reviewed.root / ".joycaption").exists()


def test_refresh_reads_nothing_that_is_as_it_was(reviewed: Reviewed) -> None:
    """By a file's size and time."""
    reviewed.add(a="a fox", b="a fox")
    reviewed.refresh()
    before = (reviewed.root / "a.txt").stat()
    (reviewed.root / "a.txt").write_text("a cat")
    os.utime(reviewed.root / "a.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    reviewed.refresh()
    assert set(reviewed.items("cat")) == set()
    os.utime(reviewed.root / "a.txt")
    reviewed.refresh()
    assert set(reviewed.items("cat")) == {"a.png"}


def test_refresh_tells_who_wrote_a_text(reviewed: Reviewed) -> None:
    """By the ledger, also that of a folder above or below."""
    reviewed.add(a="a fox", b="a fox", c="a fox")
    with reviewed.ledger() as ledger:
        ledger.record(
            [Entry(f"{name}.txt", f"{name}.png", "", WRITTEN, hash=content_hash(b"a fox")) for name in "ab"],
            [Failure("c.png", "c.txt", "bad_caption", "It was bad", 1.0, "refused text")],
        )
    (reviewed.root / "b.txt").write_text("a better fox")
    reviewed.refresh()
    states = {name: item.texts[0].state for name, item in reviewed.items().items()}
    assert states == {"a.png": "written", "b.png": "edited", "c.png": "found"}
    with reviewed.index() as index:
        assert len(found(index, ItemFilter(state=State.REFUSED))) == 1
    (reviewed.root / "below").mkdir()
    below = Reviewed(reviewed.root / "below", reviewed.path.with_name("below.sqlite"))
    below.add(d="a fox")
    with reviewed.ledger() as ledger:
        ledger.record([Entry("below/d.txt", "below/d.png", "", WRITTEN, hash=content_hash(b"a fox"))])
    below.refresh()
    assert below.items()["d.png"].texts[0].state == "written"


@pytest.mark.parametrize("kind", ["no_database", "folder", "link", "trigger", "other_tables", "pipe"])
def test_refresh_of_a_folder_with_a_planted_ledger(reviewed: Reviewed, tmp_path: Path, kind: str) -> None:
    """It is told, the texts are read all the same, and nothing is written anywhere."""
    reviewed.add(a="a fox")
    path = ledger_path(str(reviewed.root))
    path.parent.mkdir()
    outside = tmp_path / "outside"
    if kind == "no_database":
        path.write_bytes(b"none" * 1000)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link":
        sqlite3.connect(outside).close()
        path.symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        connection = sqlite3.connect(path)
        with connection:
            connection.execute("CREATE TABLE captions (output, image)")
            connection.execute("CREATE TABLE accepted (something)")
            if kind == "trigger":
                connection.execute(
                    "CREATE TRIGGER t AFTER INSERT ON captions BEGIN DELETE FROM captions; END"
                )
            connection.execute("PRAGMA user_version = 1")
        connection.close()
    problem = reviewed.refresh()
    assert "ledger" in problem
    assert set(reviewed.items("fox")) == {"a.png"}
    assert not outside.exists() or outside.stat().st_size == 0


def test_refresh_of_hostile_texts_reads_the_rest(reviewed: Reviewed, tmp_path: Path) -> None:
    """Texts that are links, folders, pipes, too large, no UTF-8, or of styles with odd names."""
    for name in ("link", "pipe", "huge", "bytes", "nul", "good"):
        reviewed.image(f"{name}.png")
    (tmp_path / "secret").write_text("a secret fox")
    (reviewed.root / "link.txt").symlink_to(tmp_path / "secret")
    os.mkfifo(reviewed.root / "pipe.txt")
    (reviewed.root / "huge.txt").write_bytes(b"fox " * 2**19)
    (reviewed.root / "bytes.txt").write_bytes(b"\xff\xfe fox \xed\xa0\x80")
    (reviewed.root / "nul.txt").write_bytes(b"\0fox\0 \0")
    for style in (b"st\xffyle", b"a\nb", b"a.b.c", b" ", b"'--", b"%s", b"\xf0\x9f\xa6\x8a"):
        Path(os.fsdecode(os.fsencode(reviewed.root) + b"/good." + style + b".txt")).write_text("a fox")
    assert reviewed.refresh() == ""
    assert set(reviewed.items("fox")) >= {"bytes.png", "good.png"}
    assert set(reviewed.items("secret")) == set()
    items = reviewed.items()
    assert len(items["good.png"].texts) == 7
    assert {text.text for text in items["good.png"].texts} == {"a fox"}
    for broken in ("link.png", "pipe.png", "huge.png"):
        assert items[broken].texts[0].problem
        assert items[broken].texts[0].hash is None


def test_refresh_of_a_folder_that_is_gone_keeps_what_was_known(reviewed: Reviewed) -> None:
    """A disk that isn't there comes back."""
    reviewed.add(a="a fox")
    reviewed.refresh()
    reviewed.root.rename(reviewed.root.with_name("elsewhere"))
    with pytest.raises(InvalidRequestError):
        reviewed.refresh()
    assert set(reviewed.items("fox")) == {"a.png"}


def test_refreshes_at_one_time_come_to_the_same(reviewed: Reviewed) -> None:
    """A second service may use the same index."""
    reviewed.add(**{f"t{number}": "a fox" for number in range(100)})
    with reviewed.index() as first:
        walk = first.next_walk()
        reviewed.refresh()
        first.end_walk(walk)
        reviewed.refresh()
    assert len(reviewed.items("fox")) == 100
    assert isinstance(first, Index)
