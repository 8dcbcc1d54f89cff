"""Asks an index: which items there are, what is known of each, and how many of each kind."""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from adapter.caption.flaws import Kind
from adapter.dataset.clip_length import LIMITS
from adapter.dataset.review.index import Index
from adapter.dataset.review.item_filter import IS_FLAWED, IS_TEXT, ItemFilter, State
from adapter.dataset.stored_name import from_stored, to_stored
from adapter.errors import BadCaptionError, FileMissingError

CHUNK: Final = 500  # SQLite takes at most 999 parameters in its older versions
_TEXT_COLUMNS = (
    "item, style, path, mtime_ns, size, is_stale, hash, text, tags, state, flaws, is_accepted, "
    "clip_tokens, problem"
)


@dataclass(frozen=True, slots=True)
class ReviewedText:
    """A text of an item, as the index has it. `hash` is None where there is none."""

    style: str
    path: str
    mtime_ns: int
    size: int
    is_stale: bool
    hash: bytes | None
    text: str
    is_tags: bool
    state: str
    flaws: tuple[str, ...]
    is_accepted: bool
    clip_tokens: int | None
    problem: str


@dataclass(frozen=True, slots=True)
class ReviewedItem:
    """An image with its texts. `failure` is the code of what kept it from getting one, by the ledger."""

    key: str
    size: int
    mtime_ns: int
    failure: str
    message: str
    refused: str
    texts: tuple[ReviewedText, ...]


@dataclass(frozen=True)
class Summary:
    """How many images and texts there are, `unread` texts among them, and how many of each state, kind and
    style. `over` counts texts that are longer than each of `clip_length.LIMITS`.
    """

    images: int = 0
    texts: int = 0
    unread: int = 0
    states: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    styles: dict[str, int] = field(default_factory=dict)
    over: dict[int, int] = field(default_factory=dict)


def found(index: Index, meant: ItemFilter) -> "array[int]":
    """Gives the numbers of the items that are meant, in their order. Raises WrongFieldError, WriteError."""
    sql, parameters = meant.sql()
    rows = index.rows(f"SELECT items.id FROM {sql}", parameters)  # noqa: S608
    return array("q", dict.fromkeys(number for (number,) in rows))


def items(index: Index, numbers: Sequence[int]) -> list[ReviewedItem]:
    """Gives the items of these numbers; those that are gone meanwhile are left out. Raises WriteError."""
    known: dict[int, ReviewedItem] = {}
    for start in range(0, len(numbers), CHUNK):
        some = list(numbers[start : start + CHUNK])
        marks = ",".join("?" * len(some))
        texts: dict[int, list[ReviewedText]] = {}
        query = f"SELECT {_TEXT_COLUMNS} FROM texts WHERE item IN ({marks}) ORDER BY style"  # noqa: S608
        for number, style, path, mtime_ns, size, is_stale, digest, text, tags, *rest in index.rows(
            query, some
        ):
            state, flaws, is_accepted, clip_tokens, problem = rest
            texts.setdefault(number, []).append(
                ReviewedText(
                    from_stored(style),
                    from_stored(path),
                    mtime_ns,
                    size,
                    bool(is_stale),
                    digest,
                    text,
                    bool(tags),
                    state,
                    tuple(flaws.split()),
                    bool(is_accepted),
                    clip_tokens,
                    problem,
                )
            )
        query = f"SELECT id, key, size, mtime_ns, failure, message, refused FROM items WHERE id IN ({marks})"  # noqa: S608
        for number, key, size, mtime_ns, failure, message, refused in index.rows(query, some):
            known[number] = ReviewedItem(
                from_stored(key),
                size,
                mtime_ns,
                failure or "",
                message or "",
                refused or "",
                tuple(texts.get(number, ())),
            )
    return [known[number] for number in numbers if number in known]


def version_of(size: int, mtime_ns: int) -> str:
    """Gives what changes with an image's file, by its size and time."""
    return f"{size:x}-{mtime_ns:x}"


def number_of_item(index: Index, key: str) -> int:
    """Gives the number of the item of that key. Raises FileMissingError, WriteError."""
    for (number,) in index.rows("SELECT id FROM items WHERE key = ?", (to_stored(key),)):
        return int(number)
    raise FileMissingError("The dataset has no such image")


def summary(index: Index) -> Summary:
    """Counts everything. Raises WriteError."""
    state_counts = ", ".join(
        f"coalesce(sum(state = '{state}'), 0)" for state in (State.WRITTEN, State.EDITED, State.FOUND)
    )
    over_counts = ", ".join(f"coalesce(sum(clip_tokens > {limit}), 0)" for limit in LIMITS.values())
    [(texts, unread, flawed, unreadable, *counts)] = index.rows(
        f"SELECT count(*), coalesce(sum(is_stale), 0), coalesce(sum({IS_FLAWED}), 0), "  # noqa: S608
        f"coalesce(sum(problem != ''), 0), {state_counts}, {over_counts} FROM texts"
    )
    [(images,)] = index.rows("SELECT count(*) FROM items")
    [(with_text,)] = index.rows(f"SELECT count(DISTINCT item) FROM texts WHERE {IS_TEXT}")  # noqa: S608
    failures = Counter[str]()
    for code, number in index.rows(
        "SELECT failure, count(*) FROM items WHERE failure IS NOT NULL GROUP BY failure"
    ):
        failures[State.REFUSED if code == BadCaptionError.code else State.FAILED] += number
    kinds = Counter[str]()
    for flaws, number in index.rows(
        f"SELECT flaws, count(*) FROM texts WHERE {IS_FLAWED} GROUP BY flaws"  # noqa: S608
    ):
        kinds.update(dict.fromkeys(flaws.split(), number))
    written, edited, there, *over = counts
    return Summary(
        images,
        texts,
        unread,
        {
            State.NONE.value: max(0, images - with_text),
            State.WRITTEN.value: written,
            State.EDITED.value: edited,
            State.FOUND.value: there,
            State.FLAWED.value: flawed,
            State.FAILED.value: failures[State.FAILED],
            State.REFUSED.value: failures[State.REFUSED],
            State.UNREADABLE.value: unreadable,
        },
        {kind.value: kinds[kind] for kind in sorted(Kind, key=lambda kind: -kinds[kind]) if kinds[kind]},
        {
            from_stored(style): count
            for style, count in index.rows("SELECT style, count(*) FROM texts GROUP BY style ORDER BY style")
        },
        dict(zip(LIMITS, over, strict=True)),
    )
