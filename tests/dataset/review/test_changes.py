"""Changes that are made to many texts at once."""

import pytest

from adapter.dataset.review.changes import (
    MAX_FIND,
    MAX_REPLACEMENT,
    MAX_TAGS,
    AddTags,
    Change,
    RemoveTags,
    Replace,
)
from adapter.dataset.texts.text_file import MAX_BYTES
from adapter.errors import WrongFieldError

LONG = "a" * MAX_BYTES + "b"


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        (Replace("fox", "cat"), "A fox, a Fox.", "A cat, a Fox."),
        (Replace("fox", "cat", ignores_case=True), "A fox, a Fox.", "A cat, a cat."),
        (Replace("(.", r"\1"), "A (. fox", r"A \1 fox"),
        (Replace(r"(\w+) fox", r"fox (\1)", is_expression=True), "A red fox", "A fox (red)"),
        (Replace(r"(?P<a>red)|(?P<b>grey)", r"<\g<b>>", is_expression=True), "red grey", "<> <grey>"),
        (Replace(r"^", "- ", is_expression=True), "a\nb", "- a\n- b"),
        (Replace(r"\s+$", "", is_expression=True), "a\n\n", "a"),
        (Replace("x*", "-", is_expression=True), "ab", "-a-b-"),
        (Replace("[[a]", "b", is_expression=True), "[a", "bb"),
        (Replace(r"\bfox\b", "\U0001f98a", is_expression=True), "fox foxes", "\U0001f98a foxes"),
        (AddTags(("sks",), first=True), "fox, snow", "sks, fox, snow"),
        (RemoveTags(("SNOW",)), "fox, snow", "fox"),
    ],
)
def test_changes_change_texts(change: Change, text: str, expected: str) -> None:
    """As they say; a text that isn't meant stays as it is."""
    assert change.compiled()(text) == expected
    assert change.compiled()("!") in ("!", "- !", "-!-", "sks, !")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (Replace(""), "find"),
        (Replace("a" * (MAX_FIND + 1)), "find"),
        (Replace("a", "b" * (MAX_REPLACEMENT + 1)), "replacement"),
        *((Replace(find, is_expression=True), "find") for find in ("(", "a{9999999999}", "(" * 999)),
        (AddTags(()), "tags"),
        (AddTags((" ", "")), "tags"),
        (RemoveTags(("a",) * (MAX_TAGS + 1)), "tags"),
        (RemoveTags(("a" * (MAX_FIND + 1),)), "tags"),
    ],
)
def test_changes_that_make_no_sense_are_refused(change: Change, field: str) -> None:
    """Before any text is looked at, with the name of what is wrong."""
    with pytest.raises(WrongFieldError) as caught:
        change.compiled()
    assert caught.value.field == field


@pytest.mark.parametrize("find", ["(a+)+$", "(a|a)*$", "(?:(?R)a|)*b", r"(?:a{1,9}){1,99}\Z"])
def test_expressions_that_take_for_ever_are_given_up(find: str) -> None:
    """After a second for one text; most would take years."""
    with pytest.raises(WrongFieldError, match="make it simpler"):
        Replace(find, "", is_expression=True).compiled()(LONG)


@pytest.mark.parametrize("replacement", [r"\7", r"\g<none>", r"\g<"])
def test_replacements_that_do_not_fit_are_told(replacement: str) -> None:
    """When the first text is changed."""
    with pytest.raises(WrongFieldError) as caught:
        Replace("a", replacement, is_expression=True).compiled()("a")
    assert caught.value.field == "replacement"


@pytest.mark.parametrize("find", ["(?s)(.*)", "(?=(.*))"])
def test_replacements_take_no_memory_without_end(find: str) -> None:
    """A group that stands thousands of times in one would make gigabytes."""
    change = Replace(find, r"\1" * (MAX_REPLACEMENT // 2), is_expression=True).compiled()
    assert change("short").startswith("short" * (MAX_REPLACEMENT // 2))
    with pytest.raises(WrongFieldError, match="too long"):
        change(LONG)
    assert len(Replace("a", "b" * MAX_REPLACEMENT).compiled()(LONG)) < 4 * MAX_BYTES
