"""What doesn't heed the prompt."""

import pytest

from adapter.caption.adherence import name_missing, opening, trigger_missing, watermark
from adapter.caption.brief import Brief


def test_watermark_is_found_only_where_nobody_asked_about_it() -> None:
    """Captions mention watermarks that aren't there."""
    text = "a cat, water-mark, sofa"
    assert watermark(text, Brief(no_watermark=True)) == (7, 17)
    assert watermark(text, Brief()) is None
    assert watermark("a mark in the water", Brief(no_watermark=True)) is None


@pytest.mark.parametrize(
    "text", ["This image shows a cat.", "The photograph depicts a cat.", "“This image is …"]
)
def test_opening_is_found_where_the_prompt_forbids_it(text: str) -> None:
    """Elsewhere it is how captions begin."""
    assert opening(text, Brief(no_opening=True)) is not None
    assert opening(text, Brief()) is None
    assert opening("A cat. This image shows it.", Brief(no_opening=True)) is None


def test_name_missing_needs_somebody_who_could_have_it() -> None:
    """Most images of a set show the person, and some a landscape."""
    brief = Brief(name="Ada Lovelace")
    assert name_missing("A woman sits at a desk.", brief) == (2, 7)
    assert name_missing("1girl, desk, solo", brief) == (0, 5)
    assert name_missing("Ada Lovelace sits at her desk.", brief) is None
    assert name_missing("ada_lovelace, desk, solo, 1girl", brief) is None
    assert name_missing("A desk at a window.", brief) is None
    assert name_missing("A woman sits at a desk.", Brief()) is None


def test_trigger_missing_ignores_case() -> None:
    """It has no place in the text."""
    assert trigger_missing("A photo of OHWX man.", Brief(trigger="ohwx")) is None
    assert trigger_missing("A photo of a man.", Brief(trigger="ohwx")) == (0, 0)
    assert trigger_missing("A photo of a man.", Brief()) is None
