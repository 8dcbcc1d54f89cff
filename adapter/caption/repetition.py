"""Finds what a text says again and again.

No single measure finds all loops. Shares of repeated n-grams miss one sentence that comes back twice, periods
miss a loop that drifts, and compression misses both in short texts; so all of them are asked. Each takes time
linear in the text's length.
"""

import re
import zlib
from typing import Final, NamedTuple

from adapter.caption.flaws import Form, Place
from adapter.caption.text_form import MIN_TAGS_FOR_SHARES, WORD, looks_like_tags, tags_of

# Gopher allows 0.15 (arXiv 2112.11446, table A1) and Whisper 2.4 (arXiv 2212.04356, section 4.5), but sound
# captions that tell where everything is ("on the left side of the ...") reach 0.22 and 3.03.
MAX_DUPLICATE_5_GRAMS: Final = 0.25
MAX_ZLIB_RATIO: Final = 3.2
# Tag lists that loop have 0.24 and more of these, sound ones none.
MAX_DUPLICATE_TAGS: Final = 0.15
# One repeat of a sentence happens in sound texts; see llama.cpp 26039 for the longer periods.
MIN_COPIES: Final = 3
MIN_LOOP_WORDS: Final = 9
MAX_PERIOD_WORDS: Final = 60
MAX_PERIOD_CHARACTERS: Final = 400
# Shorter texts tell too little about shares.
MIN_WORDS_FOR_SHARES: Final = 20
MIN_COUNTED: Final = 8

_DIGITS = re.compile(r"\d+")
_ONES: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TENS: Final = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_TEENS: Final = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen"),
    *("sixteen", "seventeen", "eighteen", "nineteen"),
)
_ORDINALS: Final = (
    *("first", "second", "third", "fourth", "fifth"),
    *("sixth", "seventh", "eighth", "ninth", "tenth"),
)
_COMPOUNDS: Final = (f"{ten}-{one}" for ten in _TENS for one in _ONES)
_NUMBERS: Final = frozenset((*_ONES, *_TEENS, *_TENS, *_ORDINALS, *_COMPOUNDS))


class _Words(NamedTuple):
    """The words of a text: what they are compared by, and where they begin and end."""

    keys: list[str]
    starts: list[int]
    ends: list[int]


def loop(text: str, form: Form | None) -> Place | None:
    """Finds words that come again and again, in anything but tags."""
    if form is Form.TAGS:
        return None
    words = _words(text)
    return _period(words) or _duplicates(text, words) or _compresses(text)


def tail_loop(text: str) -> Place | None:
    """Finds where the end of a text comes for the second of three times in a row, character by character."""
    end = len(text)
    for period in range(1, min(MAX_PERIOD_CHARACTERS, end // MIN_COPIES) + 1):
        start = end - period
        if text[start:] == text[start - period : start] == text[start - 2 * period : start - period]:
            start -= 2 * period
            while start > 0 and text[start - 1] == text[start - 1 + period]:
                start -= 1
            return start + period, end
    return None


def tag_loop(text: str, form: Form | None) -> Place | None:
    """Finds tags that come again, or that do nothing but count."""
    if form in (Form.PROSE, Form.PROMPT) or (form is None and not looks_like_tags(text)):
        return None
    tags = list(tags_of(text))
    if len(tags) < MIN_TAGS_FOR_SHARES:
        return None
    seen: set[str] = set()
    counted: dict[str, int] = {}
    repeats = []
    for tag, start, end in tags:
        if tag in seen:
            repeats.append((start, end))
        seen.add(tag)
        pattern = _DIGITS.sub("0", tag)
        if pattern != tag:
            counted[pattern] = counted.get(pattern, 0) + 1
            if counted[pattern] >= MIN_COUNTED:
                repeats.append((start, end))
    if len(repeats) > MAX_DUPLICATE_TAGS * len(tags) or any(
        count >= MIN_COUNTED for count in counted.values()
    ):
        return repeats[0][0], len(text)
    return None


def _words(text: str) -> _Words:
    """Gives the words in lower case, with one key for all numbers, so that a loop which counts is one."""
    words = _Words([], [], [])
    for match in WORD.finditer(text):
        key = match[0].lower()
        start, end = match.span()
        words.keys.append("0" if key in _NUMBERS or key.isdecimal() else key)
        words.starts.append(start)
        words.ends.append(end)
    return words


def _period(words: _Words) -> Place | None:
    """Finds where a part comes for the second of three times in a row."""
    last: dict[tuple[str, str, str], int] = {}
    period = length = 0
    keys = words.keys
    for index, gram in enumerate(zip(keys, keys[1:], keys[2:], strict=False)):
        before = last.get(gram)
        last[gram] = index
        if before is None:
            period = length = 0
            continue
        distance = index - before
        length = length + 1 if distance == period else 1
        period = distance
        repeated = length + 2
        if (
            period <= MAX_PERIOD_WORDS
            and repeated >= (MIN_COPIES - 1) * period
            and repeated + period >= MIN_LOOP_WORDS
        ):
            return words.starts[index - length + 1], words.ends[index + 2]
    return None


def _duplicates(text: str, words: _Words) -> Place | None:
    keys = words.keys
    if len(keys) < MIN_WORDS_FOR_SHARES:
        return None
    seen: set[tuple[str, ...]] = set()
    first = repeated = 0
    for index, gram in enumerate(zip(keys, keys[1:], keys[2:], keys[3:], keys[4:], strict=False)):
        if gram in seen:
            repeated += 1
            first = first or index
        seen.add(gram)
    if repeated <= MAX_DUPLICATE_5_GRAMS * (len(keys) - 4):
        return None
    return words.starts[first], len(text)


def _compresses(text: str) -> Place | None:
    content = text.encode("utf-8", "replace")
    if len(content) <= MAX_ZLIB_RATIO * len(zlib.compress(content, 6)):
        return None
    return tail_loop(text) or (0, len(text))
