"""Counts in how many texts each tag and each word stands."""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from adapter.caption.stop_words import ENGLISH
from adapter.caption.text_form import WORD
from adapter.dataset.review.index import Index
from adapter.dataset.review.lookup import CHUNK

MAX_SHOWN = 200
MAX_KEPT = 200_000  # different words; the rarest are dropped beyond that


@dataclass(frozen=True)
class Frequencies:
    """The most frequent tags of lists and words of sentences, and how many `texts` there are."""

    texts: int
    tags: list[tuple[str, int]]
    words: list[tuple[str, int]]


def frequencies(path: Path, numbers: Sequence[int]) -> Frequencies:
    """Gives the frequencies in the texts of items. Raises WriteError."""
    tags, words = Counter[str](), Counter[str]()
    texts = 0
    with contextlib.closing(Index.open(path)) as index:
        for start in range(0, len(numbers), CHUNK):
            some = list(numbers[start : start + CHUNK])
            marks = ",".join("?" * len(some))
            query = f"SELECT text, tags FROM texts WHERE item IN ({marks}) AND hash IS NOT NULL"  # noqa: S608
            for text, listed in index.rows(query, some):
                texts += 1
                if listed:
                    tags.update(set(listed.strip(",").split(",")))
                else:
                    words.update({word for word in WORD.findall(text.lower()) if word not in ENGLISH})
            for counter in (tags, words):
                if len(counter) > MAX_KEPT:
                    kept = dict(counter.most_common(MAX_KEPT // 2))
                    counter.clear()
                    counter.update(kept)
    return Frequencies(texts, tags.most_common(MAX_SHOWN), words.most_common(MAX_SHOWN))
