"""Takes off the end of a text that loops or was cut, where what is left is a good text."""

import re
from collections.abc import Iterable
from typing import Final

from adapter.caption.brief import Brief
from adapter.caption.flaws import Flaw, Form, Kind
from adapter.caption.quality import judge

REPAIRABLE: Final = frozenset((Kind.LOOP, Kind.TAG_LOOP, Kind.CUT))
_SENTENCE_END = re.compile(r"[.!?\u2026][\"'\u201d\u2019)\]*]*(?=\s|$)(?!\s+[a-z])|\n")
# A full stop after one of these ends no sentence.
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Za-z]|[ei]\.[eg]|mr|mrs|ms|dr|st|vs|no|fig|approx|ca|cf|jr|sr)\.$", re.IGNORECASE
)
_SEPARATORS: Final = ",;\n"


def repaired(text: str, flaws: Iterable[Flaw], brief: Brief) -> str | None:
    """Gives the text up to where it still was good: a loop's first round, the last whole sentence or tag.

    None where it has other hard flaws, or where too little is left to be what was asked for.
    """
    hard = [flaw for flaw in flaws if flaw.is_hard]
    if not hard or not REPAIRABLE.issuperset(flaw.kind for flaw in hard):
        return None
    end = min((flaw.start for flaw in hard if flaw.kind is not Kind.CUT), default=len(text))
    kept = _whole_part(text[:end], brief.form).strip()
    if any(flaw.is_hard for flaw in judge(kept, brief, "stop")):
        return None
    return kept


def _whole_part(text: str, form: Form | None) -> str:
    """Gives the text without the sentence, or the tag, in which it breaks off."""
    if form in (Form.TAGS, Form.PROMPT):
        return _whole_tags(text)
    for end in reversed([match.end() for match in _SENTENCE_END.finditer(text)]):
        sentences = text[:end].rstrip()
        if sentences and not _ABBREVIATION.search(sentences):
            return sentences
    return "" if form is Form.PROSE else _whole_tags(text)


def _whole_tags(text: str) -> str:
    end = max(text.rfind(separator) for separator in _SEPARATORS)
    return text[: max(end, 0)].rstrip(" \t" + _SEPARATORS)
