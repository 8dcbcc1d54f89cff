"""Texts that only the ledger keeps."""

from pathlib import Path

from adapter.dataset.decide import Text
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.texts.in_ledger import TextsInLedger
from adapter.dataset.texts.text_file import content_hash

ENTRY = Entry("a.png", "a.png", "", WRITTEN, hash=b"h", text="a cat")


def test_name_is_the_items_with_its_style() -> None:
    """There is no file that needs an extension."""
    assert TextsInLedger().name("b/a.png", "") == "b/a.png"
    assert TextsInLedger().name("b/a.png", "booru") == "b/a.png.booru"


def test_look_and_read_go_by_the_entry() -> None:
    """An entry without a text is one of a sidecar, or of a text that was found."""
    texts = TextsInLedger()
    assert texts.look("/a.png", None) is None
    assert texts.look("/a.png", Entry("a.png", "a.png", "", WRITTEN)) is None
    assert texts.look("/a.png", ENTRY) == Text(b"h")
    assert texts.read("/a.png", ENTRY) == "a cat"


def test_a_staged_text_goes_into_the_ledger_and_nowhere_else(tmp_path: Path) -> None:
    """The entry that is recorded holds it."""
    texts = TextsInLedger()
    staged = texts.stage(str(tmp_path / "a.png"), "a cat", "", None)
    assert staged is not None
    assert (staged.text, staged.hash, staged.temporary) == ("a cat", content_hash(b"a cat"), None)
    texts.put(staged)
    texts.discard(staged)
    assert texts.folders([staged]) == set()
    assert not list(tmp_path.iterdir())
