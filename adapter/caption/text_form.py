"""Tells a list of tags from sentences, by the text alone."""

import re
from collections.abc import Iterator
from typing import Final

from adapter.caption.flaws import Form, Place
from adapter.caption.stop_words import ENGLISH

MIN_TAGS_FOR_SHARES: Final = 6
MAX_PROSE_TAG_SHARE: Final = 0.1
MAX_TAG_WORDS: Final = 5.5
MAX_SHORT_WORDS: Final = 12

WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")
_TAG = re.compile(r"[^,\n;]+")


def guess_form(text: str) -> Form:
    """Tells tags from prose by the text alone."""
    return Form.TAGS if looks_like_tags(text) else Form.PROSE


def looks_like_tags(text: str) -> bool:
    """Tells whether a text is a list: short parts with hardly a stop word in them."""
    tags = [tag for tag, _, _ in tags_of(text)]
    words = WORD.findall(text.lower().replace("_", " "))
    if not words:
        return False
    function_words = sum(word in ENGLISH for word in words) / len(words)
    if len(tags) < MIN_TAGS_FOR_SHARES:
        return len(words) <= 3 * len(tags) and function_words <= MAX_PROSE_TAG_SHARE
    return len(words) / len(tags) <= MAX_TAG_WORDS and function_words <= 2 * MAX_PROSE_TAG_SHARE


def wrong_form(text: str, form: Form | None) -> Place | None:
    """Finds tags where sentences were asked for, and the reverse."""
    if form is Form.PROSE:
        wrong = looks_like_tags(text) and not _is_short(text)
    elif form is Form.TAGS:
        wrong = not looks_like_tags(text)
    else:
        wrong = False
    return (0, len(text)) if wrong else None


def _is_short(text: str) -> bool:
    """Tells whether a text has too few words for a sentence to be told from a list."""
    return len(WORD.findall(text)) <= MAX_SHORT_WORDS and text.count(",") + 1 < MIN_TAGS_FOR_SHARES


def tags_of(text: str) -> Iterator[tuple[str, int, int]]:
    """Gives each tag in one spelling, with the place where it stands."""
    for match in _TAG.finditer(text):
        tag = normal_tag(match[0])
        if tag:
            yield tag, match.start(), match.end()


def normal_tag(tag: str) -> str:
    """Gives the one spelling of all that mean the same tag."""
    return " ".join(tag.strip(" \t.*-_").lower().replace("_", " ").split())
