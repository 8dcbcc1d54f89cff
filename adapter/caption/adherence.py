"""Finds where a text doesn't heed what was asked for besides the description: names, watermarks, openings."""

import re
from typing import Final

from adapter.caption.brief import Brief
from adapter.caption.flaws import Place

_WATERMARK = re.compile(r"\bwater[- _]?mark\w*", re.IGNORECASE)
# What a caption says of somebody who should have been called by name.
_SOMEBODY = re.compile(
    r"\b(?:he|she|his|her|hers|him|man|woman|men|women|boy|girl|boys|girls|lady|guy|person|people|character"
    r"|individual|figure|child|baby|[1-6]\+?(?:boy|girl|other)s?)\b",
    re.IGNORECASE,
)
_SUBJECT: Final = "image|picture|photo|photograph|painting|drawing|illustration|artwork|scene"
_OPENING = re.compile(
    rf"\W{{0,3}}(?:this|the) (?:{_SUBJECT}) (?:is|shows|depicts|features|captures|presents|portrays)\b",
    re.IGNORECASE,
)


def watermark(text: str, brief: Brief) -> Place | None:
    """Finds a watermark that nobody asked about: often there is none in the image."""
    match = _WATERMARK.search(text) if brief.no_watermark else None
    return None if match is None else match.span()


def opening(text: str, brief: Brief) -> Place | None:
    """Finds the words "This image is", where the prompt forbids to begin with them."""
    match = _OPENING.match(text) if brief.no_opening else None
    return None if match is None else match.span()


def name_missing(text: str, brief: Brief) -> Place | None:
    """Finds somebody who isn't called by the name that was asked for."""
    if not brief.name or _plain(brief.name) in _plain(text):
        return None
    match = _SOMEBODY.search(text.replace("_", " "))
    return None if match is None else match.span()


def trigger_missing(text: str, brief: Brief) -> Place | None:
    """Finds, as an empty place, that the trigger isn't there."""
    return (0, 0) if brief.trigger and brief.trigger.lower() not in text.lower() else None


def _plain(text: str) -> str:
    """Gives a text in the spelling that tags and sentences have in common."""
    return " ".join(text.lower().replace("_", " ").split())
