"""Changes of texts."""

import pytest

from adapter.dataset.review.changes import MAX_FIND, AddTags, RemoveTags, Replace
from adapter.errors import WrongFieldError


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Replace("a.b", "x"), "x A.B axb"),
        (Replace("a.b", "x", ignores_case=True), "x x axb"),
        (Replace("a.b", r"\1", is_expression=False), r"\1 A.B axb"),
        (Replace("a(.)b", r"<\1>", is_expression=True), "<.> A.B <x>"),
        (Replace("(?P<first>a).b$", r"\g<first>", is_expression=True), "a.b A.B a"),
        (AddTags(("new",)), "a.b A.B axb, new"),
        (RemoveTags(("A.B",)), "a.b A.B axb"),
    ],
)
def test_changes_change_what_they_say(change: Replace | AddTags | RemoveTags, expected: str) -> None:
    """Plain words are taken as they are, expressions as such."""
    assert change.compiled()("a.b A.B axb") == expected


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Replace(""), "find"),
        (Replace("a" * (MAX_FIND + 1)), "find"),
        (Replace("(", is_expression=True), "find"),
        (Replace("a", r"\2", is_expression=True), "replacement"),
        (Replace("(a+)+$", is_expression=True), "find"),
        (AddTags(()), "tags"),
        (RemoveTags(("a",) * 1000), "tags"),
    ],
)
def test_changes_that_are_none_are_told(change: Replace | AddTags | RemoveTags, field: str) -> None:
    """With the field; an expression that would take years is given up."""
    with pytest.raises(WrongFieldError) as caught:
        change.compiled()("a" * 5000 + "b")
    assert caught.value.field == field


def test_a_replacement_ends_when_a_text_is_too_long_anyway() -> None:
    """However often it would fit."""
    assert len(Replace("x*", "y" * 10_000, is_expression=True).compiled()("a" * 100_000)) < 2 * 2**20
