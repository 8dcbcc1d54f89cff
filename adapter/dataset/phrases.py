"""Finds what stands in most texts of a dataset, and so tells no image from another. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapter.caption.flaws import Form
from adapter.caption.text_form import WORD, guess_form

PHRASE_SHARE: Final = 0.8
PHRASE_WORDS: Final = 3
MIN_TEXTS: Final = 20


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that come in `share` of the texts."""

    words: str
    share: float


def common_phrases(texts: Sequence[str], trigger: str = "") -> list[Phrase]:
    """Gives what comes in most of the texts, except for the trigger: three words, or a tag.

    Gives nothing for fewer than MIN_TEXTS.
    """
    if len(texts) < MIN_TEXTS:
        return []
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_phrases(text))
    least = PHRASE_SHARE * len(texts)
    trigger = trigger.strip().lower()
    found = (
        Phrase(words, count / len(texts))
        for words, count in counts.items()
        if count >= least and not (trigger and trigger in words)
    )
    return sorted(found, key=lambda phrase: (-phrase.share, phrase.words))


def _phrases(text: str) -> set[str]:
    lower = text.lower()
    if guess_form(text) is Form.TAGS:
        return {tag for part in lower.split(",") if (tag := " ".join(part.split()))}
    words = WORD.findall(lower)
    return {" ".join(words[start : start + PHRASE_WORDS]) for start in range(len(words) - PHRASE_WORDS + 1)}
