"""Tags that are added to texts and taken out of them."""

import pytest

from adapter.caption.tag_list import with_tags, without_tags


@pytest.mark.parametrize(
    ("text", "tags", "first", "expected"),
    [
        ("a, b", ["c"], False, "a, b, c"),
        ("a, b,", ["c", "C", "c "], False, "a, b, c"),
        ("red_fox, b", ["Red fox", "c"], True, "c, red_fox, b"),
        ("A fox stands in the snow.", ["sks"], False, "A fox stands in the snow. sks"),
        ("A fox stands in the snow.", ["sks"], True, "sks, A fox stands in the snow."),
        ("", ["a", "b"], False, "a, b"),
        ("a, b", ["", " "], False, "a, b"),
    ],
)
def test_with_tags_adds_what_is_not_there(text: str, tags: list[str], first: bool, expected: str) -> None:
    """However the tags are spelled; a text that has them all stays to the letter."""
    assert with_tags(text, tags, first=first) == expected


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("a, Red_Fox, b", ["red fox"], "a, b"),
        ("red fox, a", ["red_fox"], "a"),
        ("a, red fox", ["red_fox"], "a"),
        ("a\nb\nc", ["b"], "a\nc"),
        ("a , b", ["fox"], "a , b"),
        ("red fox", ["red fox"], ""),
        ("A fox, in snow.", ["fox"], "A fox, in snow."),
    ],
)
def test_without_tags_takes_whole_tags_out(text: str, tags: list[str], expected: str) -> None:
    """And leaves the rest as it is."""
    assert without_tags(text, tags) == expected
