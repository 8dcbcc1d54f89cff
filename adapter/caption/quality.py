"""Judges a caption: what is wrong with its text, and where."""

import re
from collections.abc import Callable
from typing import Final

from adapter.caption.flaws import Flaw, Form, Kind, Place
from adapter.caption.repetition import loop, tag_loop
from adapter.caption.stop_words import ENGLISH
from adapter.caption.text_form import wrong_form
from adapter.caption.wording import OTHER_LETTER, language, leak, meta, nonsense, refusal

# VLM-Captioning-Tools asks again below this.
MIN_PROSE_CHARACTERS: Final = 16
# A text that met a token limit is long. Shorter ones without a full stop are titles and prompts, unless their
# last word can't be the last.
MIN_CUT_CHARACTERS: Final = 800
MAX_HASHTAG_CHARACTERS: Final = 400
_SENTENCE_BREAK = re.compile(r"[a-z)\"\u201d][.!?][\"\u201d)]?\s+[A-Z]")
_HASHTAGS = re.compile(r"(?:\s*#\w+)+$")


def judge(
    text: str, form: Form | None, finish_reason: str | None = None, trigger: str = ""
) -> tuple[Flaw, ...]:
    """Gives all flaws of a text, in the order of Kind, at most one of each kind.

    `form` is what was asked for. None stands for a prompt of the user's own, which may ask for one word or
    for German: there nothing but `empty`, `loop`, `tag_loop` and `leak` is judged. `finish_reason` is the
    engine's. Without one, a long text of several sentences whose last one doesn't end counts as cut.
    `trigger` is a word that the text must have.
    """
    if form is None:
        places = {kind: _JUDGES[kind](text, form) for kind in _ANY}
    else:
        cut = _cut(text, form, finish_reason)
        places = {Kind.CUT: cut} | {kind: find(text, form) for kind, find in _JUDGES.items()}
    if trigger and trigger.lower() not in text.lower():
        places[Kind.TRIGGER_MISSING] = 0, 0
    return tuple(Flaw(kind, *place) for kind in Kind if (place := places.get(kind)) is not None)


def _empty(text: str, form: Form | None) -> Place | None:
    stripped = text.strip(" \t\r\n,;.\"'*-_")
    least = MIN_PROSE_CHARACTERS if form is Form.PROSE else 1
    return (0, len(text)) if len(stripped) < least else None


def _cut(text: str, form: Form, finish_reason: str | None) -> Place | None:
    end = len(text.rstrip())
    if finish_reason is not None or form is not Form.PROSE:
        return (max(end - 1, 0), end) if finish_reason == "length" else None
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
    Kind.EMPTY: _empty,
    Kind.LOOP: loop,
    Kind.TAG_LOOP: tag_loop,
    Kind.REFUSAL: refusal,
    Kind.LEAK: leak,
    Kind.NONSENSE: nonsense,
    Kind.LANGUAGE: language,
    Kind.FORM: wrong_form,
    Kind.META: meta,
}
_ANY: Final = (Kind.EMPTY, Kind.LOOP, Kind.TAG_LOOP, Kind.LEAK)
