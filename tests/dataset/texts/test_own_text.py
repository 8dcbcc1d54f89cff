"""Texts that a dataset has itself, and a run's texts in their place."""

import pytest

from adapter.dataset.decide import Text
from adapter.dataset.records import FOUND, WRITTEN, Entry
from adapter.dataset.texts.own_text import is_replaced, own_hash, standing

OVER_A = Entry("a.png", "a.png", "", WRITTEN, text="ours", hash=b"ours", previous_hash=own_hash("a"))


@pytest.mark.parametrize(
    ("text", "entry", "expected"),
    [
        (None, None, False),
        ("a", None, False),
        ("a", OVER_A, True),
        ("b", OVER_A, False),  # changed since
        (None, OVER_A, True),  # taken away since
        ("a", Entry("a.png", "a.png", "", FOUND), False),
        ("a", Entry("a.png", "a.png", "", WRITTEN, text="ours", hash=b"ours"), False),  # there was none then
        (None, Entry("a.txt", "a.png", "", WRITTEN, hash=b"ours"), False),  # that is in a file
    ],
)
def test_a_text_is_replaced_until_somebody_changes_it(
    text: str | None, entry: Entry | None, expected: bool
) -> None:
    """What is his stays, and ours isn't made twice."""
    assert is_replaced(text, entry) is expected
    found = Text(b"ours") if entry is not None and entry.text is not None else None
    own = None if text is None else Text(own_hash(text))
    assert standing(text, entry, found) == (found if expected else own)
