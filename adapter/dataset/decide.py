"""Decides what to do about one text, from what is known of it. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Existing(StrEnum):
    """What becomes of a text that is there already."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    APPEND = "append"
    PREPEND = "prepend"


@dataclass(frozen=True)
class Text:
    """A text that is there. `hash` is None where it holds nothing but blanks, or nobody needs to know."""

    hash: bytes | None = None


@dataclass(frozen=True)
class Record:
    """What the ledger knows of the text: whether a run wrote it, and if so, how it was when it was written.

    `previous_hash` is of what it replaced. `is_same` tells whether it was made with the settings of this run,
    from the image as it is.
    """

    is_ours: bool
    hash: bytes | None = None
    previous_hash: bytes | None = None
    is_same: bool = False


@dataclass(frozen=True)
class Facts:
    """All that a decision depends on. `text` and `record` are None where there is none.

    `is_claimed` tells whether this run is making the text for the same image already, because it was found
    twice. `owner` is another image that is there and has this text, because both have one name.
    """

    existing: Existing
    overwrite_edited: bool = False
    is_claimed: bool = False
    owner: str | None = None
    text: Text | None = None
    record: Record | None = None


@dataclass(frozen=True)
class Make:
    """The text is to be made. `seen_hash` is of the text that is there, None where there is none."""

    seen_hash: bytes | None = None


@dataclass(frozen=True)
class Skip:
    """There is nothing to do. `is_news` tells whether the ledger doesn't know of the text yet."""

    is_news: bool = False


@dataclass(frozen=True)
class KeepEdited:
    """Somebody changed the text after it was written, so it stays as it is."""


@dataclass(frozen=True)
class Taken:
    """The text belongs to another image, `owner`."""

    owner: str


Decision = Make | Skip | KeepEdited | Taken


def decide(facts: Facts) -> Decision:
    """Gives what is to be done about the text."""
    if facts.is_claimed:
        return Skip()
    if facts.owner is not None:
        return Taken(facts.owner)
    if facts.text is None:
        return Make()
    if facts.existing is Existing.SKIP:
        return Skip(is_news=facts.record is None)
    return _decide_anew(facts, facts.text.hash)


def _decide_anew(facts: Facts, seen: bytes | None) -> Decision:
    """Decides about a text that is there, and may be replaced or added to."""
    record = facts.record
    if record is None or not record.is_ours:
        return Make(seen)
    # Recorded by a run that was killed before it could put the text in its place.
    if seen is not None and seen == record.previous_hash != record.hash:
        return Make(seen)
    if facts.existing is Existing.OVERWRITE and seen != record.hash:
        return Make(seen) if facts.overwrite_edited else KeepEdited()
    return Skip() if record.is_same else Make(seen)
