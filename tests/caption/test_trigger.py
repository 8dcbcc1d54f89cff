"""The trigger word in front of a text."""

import pytest

from adapter.caption.trigger import TriggeredText, with_trigger, without_trigger

CASES = [
    (" A cat. \n", "", "A cat."),
    ("A cat.", "sks", "sks, A cat."),
    ("sks, a cat", "sks", "sks, a cat"),
    ("\nSKS a cat", " sks ", "sks a cat"),
    ("sks", "sks", "sks"),
    ("sk", "sks", "sks, sk"),
    ("sksy cat", "sks", "sks, sksy cat"),
    ("sks2 cat", "sks", "sks, sks2 cat"),
    ("red_circle", "red", "red, red_circle"),
    ("a  b\n\nc ", "", "a  b\n\nc"),
    ("", "sks", ""),
    (" \n", "sks", ""),
]


@pytest.mark.parametrize(("text", "trigger", "expected"), CASES)
def test_with_trigger_strips_the_text_and_puts_the_trigger_first(
    text: str, trigger: str, expected: str
) -> None:
    """The trigger stands once and first, and never by itself before a text of nothing."""
    assert with_trigger(text, trigger) == expected


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize(("text", "trigger", "expected"), CASES)
def test_triggered_text_in_pieces_of_any_size_is_the_same(
    text: str, trigger: str, expected: str, size: int
) -> None:
    """A streamed answer reads as the whole one does."""
    triggered = TriggeredText(trigger)
    pieces = [triggered.push(text[n : n + size]) for n in range(0, len(text), size)]
    assert "".join(pieces) + triggered.end() == expected


def test_triggered_text_is_given_as_soon_as_it_is_sure() -> None:
    """Only what may yet be the trigger, and blanks that may be the last, are held back."""
    text = TriggeredText("sks")
    assert [text.push(piece) for piece in ("s", "k", "y", " ", "x")] == ["", "", "sks, sky", "", " x"]


@pytest.mark.parametrize(
    ("text", "trigger", "expected"),
    [
        ("sks, a cat", "sks", "a cat"),
        ("sks a cat", " sks ", "a cat"),
        ("SKS, a cat", "sks", "a cat"),
        ("sks", "sks", ""),
        ("sksy cat", "sks", "sksy cat"),
        ("a cat", "sks", "a cat"),
        ("a cat", "", "a cat"),
        ("", "sks", ""),
    ],
)
def test_without_trigger_takes_away_what_with_trigger_gave(text: str, trigger: str, expected: str) -> None:
    """A text that doesn't begin with the trigger stays as it is."""
    assert without_trigger(text, trigger) == expected


@pytest.mark.parametrize("text", ["A cat.", "red_circle", "sk"])
def test_without_trigger_after_with_trigger_gives_the_text_again(text: str) -> None:
    """A trigger can be replaced by another one in texts that are there already."""
    assert without_trigger(with_trigger(text, "sks"), "sks") == text
