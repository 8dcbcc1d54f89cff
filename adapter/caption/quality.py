"""Judges a caption: what is wrong with its text, and where."""

import re
from collections.abc import Callable
from typing import Final

from adapter.caption.adherence import name_missing, opening, trigger_missing, watermark
from adapter.caption.brief import Brief
from adapter.caption.flaws import Flaw, Form, Kind, Place
from adapter.caption.repetition import loop, tag_loop, tail_loop
from adapter.caption.stop_words import ENGLISH
from adapter.caption.text_form import wrong_form
from adapter.caption.wording import OTHER_LETTER, language, leak, meta, nonsense, refusal

# VLM-Captioning-Tools asks again below this.
MIN_PROSE_CHARACTERS: Final = 16
# A text that met a token limit is long. Shorter ones without a full stop are titles and prompts, unless their
# last word can't be the last.
MIN_CUT_CHARACTERS: Final = 800
MAX_HASHTAG_CHARACTERS: Final = 400
# vLLM's reasons to end a text: its limit, a stop of the engine, and tokens that repeat themselves.
LENGTH, ABORT, REPETITION = "length", "abort", "repetition"
_SENTENCE_BREAK = re.compile(r"[a-z)\"\u201d][.!?][\"\u201d)]?\s+[A-Z]")
_HASHTAGS = re.compile(r"(?:\s*#\w+)+$")


def judge(text: str, brief: Brief, finish_reason: str | None = None) -> tuple[Flaw, ...]:
    """Gives all flaws of a text, in the order of Kind, at most one of each kind.

    Of a prompt of the user's own nothing but `empty`, `loop`, `tag_loop` and `leak` is judged, and the
    trigger; where the user added words to a known prompt, neither language nor form. `finish_reason` is the
    engine's: `repetition` where it saw a loop. Without one, a long text of several sentences whose last one
    doesn't end counts as cut.
    """
    form = brief.form
    places = {kind: find(text, form) for kind, find in _JUDGES.items() if _is_judged(kind, brief)}
    places[Kind.EMPTY] = _empty(text, brief)
    if form is not None:
        places[Kind.CUT] = _cut(text, form, finish_reason)
        places[Kind.META] = places[Kind.META] or opening(text, brief)
        places[Kind.WATERMARK] = watermark(text, brief)
        places[Kind.NAME_MISSING] = name_missing(text, brief)
    places[Kind.TRIGGER_MISSING] = trigger_missing(text, brief)
    if finish_reason == REPETITION and not (places[Kind.LOOP] or places[Kind.TAG_LOOP]):
        places[Kind.LOOP] = tail_loop(text) or (0, len(text))
    return tuple(Flaw(kind, *place) for kind in Kind if (place := places.get(kind)) is not None)


def _is_judged(kind: Kind, brief: Brief) -> bool:
    if brief.form is None:
        return kind in _ANY
    if kind is Kind.FORM:
        return not (brief.has_own_words or brief.may_be_short)
    return not (kind is Kind.LANGUAGE and brief.has_own_words)


def _empty(text: str, brief: Brief) -> Place | None:
    stripped = text.strip(" \t\r\n,;.\"'*-_")
    is_long = brief.form is Form.PROSE and not (brief.may_be_short or brief.has_own_words)
    return (0, len(text)) if len(stripped) < (MIN_PROSE_CHARACTERS if is_long else 1) else None


def _cut(text: str, form: Form, finish_reason: str | None) -> Place | None:
    end = len(text.rstrip())
    if finish_reason is not None or form is not Form.PROSE:
        return (max(end - 1, 0), end) if finish_reason in (LENGTH, ABORT) else None
    # Only the end is searched: of hashtags alone, each would be tried as the first one.
    start = max(end - MAX_HASHTAG_CHARACTERS, 0)
    end = start + len(_HASHTAGS.sub("", text[start:end]))
    last = text[end - 1 : end]
    if (
        not (last.isalnum() or last in ",;:-(")
        or OTHER_LETTER.match(last)
        or not _SENTENCE_BREAK.search(text)
    ):
        return None
    last_word = text[start:end].rsplit(None, 1)[-1].lower()
    return (end - 1, end) if end >= MIN_CUT_CHARACTERS or last_word in ENGLISH else None


_JUDGES: Final[dict[Kind, Callable[[str, Form | None], Place | None]]] = {
    Kind.LOOP: loop,
    Kind.TAG_LOOP: tag_loop,
    Kind.REFUSAL: refusal,
    Kind.LEAK: leak,
    Kind.NONSENSE: nonsense,
    Kind.LANGUAGE: language,
    Kind.FORM: wrong_form,
    Kind.META: meta,
}
_ANY: Final = (Kind.LOOP, Kind.TAG_LOOP, Kind.LEAK)
