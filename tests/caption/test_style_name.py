"""What styles may be called."""

import pytest

from adapter.caption.style_name import MAX_STYLE_NAME, refuse_style_name, slug
from adapter.errors import WrongFieldError

TYPES = ("Descriptive", "Art Critic")
STYLES = {"descriptive", "booru"}


@pytest.mark.parametrize(
    "name",
    [
        "mine",
        "booru",
        "descriptive",
        "俳句",
        "my own style",
        "100% & <b>",
        "a?b#c",
        "ä.ö",
        "x" * MAX_STYLE_NAME,
    ],
)
def test_refuse_style_name_takes_what_can_be_a_file_s_name(name: str) -> None:
    """A style of the project's may have its name taken, too."""
    refuse_style_name(name, TYPES, STYLES)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "must have a letter"),
        ("!?", "must have a letter"),
        (" ", "must have a letter"),
        ("x" * (MAX_STYLE_NAME + 1), "has more than 40"),
        ("a\nb", "can't be seen"),
        ("a\0", "can't be seen"),
        ("a\u202eb", "can't be seen"),
        ("a ", "a blank at its end"),
        (".a", "a full stop"),
        ("..", "must have a letter"),
        ("../a", "a full stop"),
        ("a/b", "a slash"),
        ("a,b", "a comma"),
        ("Art Critic", "the caption type Art Critic"),
        ("art_critic", "the caption type Art Critic"),
        ("DESCRIPTIVE", "the caption type Descriptive"),
    ],
)
def test_refuse_style_name_says_what_is_wrong(name: str, problem: str) -> None:
    """In a sentence that begins with the field."""
    with pytest.raises(WrongFieldError, match=r"^name .*") as caught:
        refuse_style_name(name, TYPES, STYLES)
    assert problem in str(caught.value)
    assert caught.value.field == "name"


def test_slug_has_words_and_hyphens() -> None:
    """Whatever stands between the words."""
    assert slug("Descriptive (Casual)") == slug("descriptive_casual") == "descriptive-casual"
    assert slug("!") == ""
