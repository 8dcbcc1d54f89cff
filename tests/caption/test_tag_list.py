"""Tags added to texts, and taken away."""

import pytest

from adapter.caption.tag_list import with_tags, without_tags


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("red_fox, snow", ["winter"], "red_fox, snow, winter"),
        ("red_fox, snow", ["Red Fox", " snow "], "red_fox, snow"),
        ("red_fox, snow,\n", ["a", "A", "b"], "red_fox, snow, a, b"),
        ("A fox in snow.", ["sks"], "A fox in snow. sks"),
        ("", ["sks", "fox"], "sks, fox"),
        ("fox", ["a, b", "c;d", "e\nf"], "fox, a, b, c, d, e, f"),
        ("fox, b", ["a, b"], "fox, b, a"),
        ("fox", [" ", ",", "\n"], "fox"),
    ],
)
def test_tags_that_are_missing_are_added(text: str, tags: list[str], expected: str) -> None:
    """Each once, whatever its spelling; several in one string are several."""
    assert with_tags(text, tags) == expected
    assert with_tags(expected, tags) == expected, "a second time changes nothing"


def test_tags_come_first_where_that_is_wanted() -> None:
    """A trigger stands before the rest."""
    assert with_tags(" fox, snow", ["sks", "fox"], first=True) == "sks, fox, snow"
    assert with_tags("A fox.", ["sks"], first=True) == "sks, A fox."


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("red_fox, snow, birch", ["red fox"], "snow, birch"),
        ("red_fox, snow, Birch.", ["BIRCH"], "red_fox, snow"),
        ("fox, snow, fox", ["fox"], "snow"),
        ("fox", ["fox"], ""),
        ("foxes, fox tail", ["fox"], "foxes, fox tail"),
        ("a; b; c", ["b"], "a; c"),
        ("a, b\nc, d", ["b"], "a\nc, d"),
        ("a, b\nc, d", ["a, d"], "b\nc"),
        ("fox, snow ,", ["winter"], "fox, snow ,"),
        ("A red fox in snow. sks, fox", ["sks"], "A red fox in snow. fox"),
        ("A red fox in snow. sks", ["sks"], "A red fox in snow."),
        ("1girl, mr. fox, snow", ["fox"], "1girl, mr. fox, snow"),
    ],
)
def test_tags_are_taken_away_whole(text: str, tags: list[str], expected: str) -> None:
    """However they are spelled. Lines stay lines, and a text without the tags stays as it is."""
    assert without_tags(text, tags) == expected
