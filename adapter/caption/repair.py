"""Takes off the end of a text that loops or was cut, where what is left is a good text."""

import re
from collections.abc import Iterable
from typing import Final

from adapter.caption.brief import Brief
from adapter.caption.flaws import Flaw, Form, Kind
from adapter.caption.quality import judge
from adapter.caption.text_form import WORD, guess_form, tags_of

LOOPS: Final = (Kind.LOOP, Kind.TAG_LOOP)
# A loop says nothing new. Where more than this share of the words behind its first round is, the text has got
# out of it, and its end is worth keeping.
MAX_NEW_WORDS: Final = 0.05
MAX_ABBREVIATION: Final = 8  # characters
_SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]*]*(?=\s|$)(?!\s+[a-z])|\n")
# A full stop after one of these ends no sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|[ei]\.[eg]|mr|mrs|ms|dr|st|vs|no|fig|approx|ca|cf|jr|sr)\.$", re.IGNORECASE
)
_SEPARATORS: Final = ",;\n"


def repaired(text: str, flaws: Iterable[Flaw], brief: Brief) -> str | None:
    """Gives the text up to where it still was good: a loop's first round, the last whole sentence or tag.

    A list keeps each of its tags once. None where there is neither a loop at the end nor a cut, or where what
    is left isn't what was asked for.
    """
    starts = {flaw.kind: flaw.start for flaw in flaws if flaw.kind in (*LOOPS, Kind.CUT)}
    if not starts:
        return None
    form = brief.form or guess_form(text)
    if Kind.CUT in starts:
        text = _whole_part(text, form)
    if Kind.TAG_LOOP in starts:
        text = _each_once(text)
    for kind in LOOPS:
        start = starts.get(kind)
        if start is None or start >= len(text) or not _loops(text, brief):
            continue
        if _says_something_new(text[:start], text[start:]):
            return None
        text = _whole_part(text[:start], form)
    kept = text.strip()
    return None if any(flaw.is_hard for flaw in judge(kept, brief, "stop")) else kept


def _loops(text: str, brief: Brief) -> bool:
    """Tells whether a text loops still."""
    return any(flaw.is_hard for flaw in judge(text, brief, "stop"))


def _says_something_new(before: str, after: str) -> bool:
    words = WORD.findall(after.lower())
    known = set(WORD.findall(before.lower()))
    return sum(word not in known for word in set(words)) > MAX_NEW_WORDS * len(words) + 1


def _each_once(text: str) -> str:
    """Gives a list without the tags that come again."""
    seen: set[str] = set()
    kept = []
    for tag, start, end in tags_of(text):
        if tag not in seen:
            seen.add(tag)
            kept.append(text[start:end].strip())
    return ", ".join(kept)


def _whole_part(text: str, form: Form | None) -> str:
    """Gives the text without the sentence, or the tag, in which it breaks off."""
    if form in (Form.TAGS, Form.PROMPT):
        return _whole_tags(text)
    for end in reversed([match.end() for match in _SENTENCE_END.finditer(text)]):
        last = text[max(end - MAX_ABBREVIATION, 0) : end]
        if last.strip() and not _ABBREVIATION.search(last):
            return text[:end].rstrip()
    return ""


def _whole_tags(text: str) -> str:
    end = max(text.rfind(separator) for separator in _SEPARATORS)
    return text[: max(end, 0)].rstrip(" \t" + _SEPARATORS)
