"""The body of a trial."""

import pytest

from adapter.caption.flaws import Form
from adapter.caption.prompts import PromptBook
from adapter.errors import UnknownStyleError
from adapter.web.pages.trial import TrialBody


def test_caption_request_is_the_books(book: PromptBook) -> None:
    """With the values that are chosen, and the book's for all others."""
    body = TrialBody(image="data:,", style="booru", temperature=0.1)
    asked = body.caption_request(book)
    assert asked.prompt == book.style_prompts["booru"]
    assert (asked.sampling.temperature, asked.sampling.max_tokens) == (0.1, book.sampling.max_tokens)
    assert asked.brief is not None
    assert asked.brief.form is Form.TAGS
    assert TrialBody(image="data:,", prompt=" ").caption_request(book).prompt != " "


def test_caption_request_of_an_unknown_style_is_an_error(book: PromptBook) -> None:
    """The page offers only known ones, but scripts may ask for any."""
    with pytest.raises(UnknownStyleError):
        TrialBody(image="data:,", style="haiku").caption_request(book)
