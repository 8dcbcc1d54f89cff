"""What only a dataset as a whole shows: texts that several images have, and what stands in most texts."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from adapter.dataset.judging import KEPT_CHARACTERS, SHOWN_CHARACTERS
from adapter.dataset.phrases import Phrase, common_phrases
from adapter.dataset.review.index import Index

MAX_SAME, MAX_PHRASES = 50, 50
SAMPLE = 1000


@dataclass(frozen=True)
class SharedText:
    """One text of `images` images whose files differ in size. `hash` is in hex."""

    hash: str
    text: str
    images: int


@dataclass(frozen=True)
class Findings:
    """What was found."""

    shared: list[SharedText]
    phrases: list[Phrase]


def findings(path: Path) -> Findings:
    """Looks through an index. Phrases are counted in up to 1000 texts, drawn at random. Raises WriteError."""
    with contextlib.closing(Index.open(path)) as index:
        # Images of one size may be copies of one image, which need one text.
        shared = index.rows(
            "SELECT lower(hex(hash)), min(substr(text, 1, ?)), count(DISTINCT items.size) AS images "
            "FROM texts JOIN items ON items.id = texts.item WHERE hash IS NOT NULL "
            "GROUP BY hash HAVING images > 1 "
            "ORDER BY images DESC, 1 LIMIT ?",
            (SHOWN_CHARACTERS, MAX_SAME),
        )
        sample = index.rows(
            "SELECT substr(text, 1, ?) FROM texts WHERE id IN "
            "(SELECT id FROM texts WHERE hash IS NOT NULL ORDER BY random() LIMIT ?)",
            (KEPT_CHARACTERS, SAMPLE),
        )
    phrases = common_phrases([text for (text,) in sample])
    return Findings([SharedText(*row) for row in shared], phrases[:MAX_PHRASES])
