"""What is seen of a dataset's files: an image, the texts beside it, and what is in these. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeenText:
    """A text's file: what it is to its image, where it is below the folder, its size and time."""

    style: str
    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class SeenItem:
    """An image's file, with the texts beside it."""

    key: str
    size: int
    mtime_ns: int
    texts: tuple[SeenText, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadText:
    """What was read in a text's file, and found out about it.

    `state` is an `item_filter.State`, `weight` is 2 with a hard flaw and 1 with soft ones. `hash` is None
    where there is no text, and `problem` says what kept it from being read.
    """

    path: str
    size: int
    mtime_ns: int
    hash: bytes | None = None
    text: str = ""
    tags: str = ""
    state: str = ""
    flaws: str = ""
    weight: int = 0
    is_accepted: bool = False
    clip_tokens: int | None = None
    problem: str = ""
