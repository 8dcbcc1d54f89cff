"""What a text is meant to be, found out from the prompt that asked for it.

The prompts that JoyCaption was trained on say what they want. What users add in their own words may ask for
anything: one word, a poem, German.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from adapter.caption.flaws import Form

# Up to this number of words that were asked for, the shortest text is right.
MAX_FEW_WORDS: Final = 5
NO_NAME: Final = "{NAME}"
_PLACE: Final = re.compile(r"\\{(words|length|name)\\}")
_PATTERNS: Final = {
    "words": r"\d{1,5}",
    "length": r"[a-z][a-z -]{1,20}",
    # A full stop ends it, except behind an initial or a title.
    "name": r"(?:(?:Mr|Mrs|Ms|Dr|St|Prof|Capt|Sgt|Lt|[A-Z])\. ?)*[^.]+",
}


@dataclass(frozen=True, slots=True)
class Brief:
    """What was asked for, as far as a text can be judged by it.

    `form` is None for a prompt of the user's own, which may ask for anything. `has_own_words` tells whether
    the user added to a known prompt. `name` is what people in the image are to be called. `trigger` is a word
    that the text must have. With `no_watermark` nobody asked about watermarks, and with `no_opening` the text
    must not begin with "This image is".
    """

    form: Form | None = None
    has_own_words: bool = False
    may_be_short: bool = False
    name: str = ""
    trigger: str = ""
    no_watermark: bool = False
    no_opening: bool = False


class Briefs:
    """Finds the brief in a prompt.

    `wordings` are the known prompts with the forms that they ask for, in which `{words}` and `{length}` stand
    for what they do in a caption type. `options` are the known sentences that may follow, with `{name}`.
    """

    def __init__(self, wordings: Iterable[tuple[str, Form | None]] = (), options: Sequence[str] = ()) -> None:
        self._wordings = [(_pattern(wording), form) for wording, form in wordings]
        self._options = [_pattern(option) for option in options]

    def of(self, prompt: str) -> Brief:
        """Gives the brief of a prompt, as `PromptBook.prompt` makes it or as anybody else wrote it."""
        known = [
            (found, form) for pattern, form in self._wordings if (found := pattern.match(prompt)) is not None
        ]
        if not known:
            return Brief()
        known.sort(key=lambda one: one[0].end(), reverse=True)
        # A style may be a whole prompt of another one: with its number of words, and with its options.
        words = next((words for found, _ in known if (words := found.groupdict().get("words"))), None)
        options = [self._read_options(prompt[found.end() :].strip()) for found, _ in known]
        name = next((name for name, _ in options if name), "")
        return Brief(
            form=known[0][1],
            has_own_words=bool(options[0][1]),
            may_be_short=words is not None and int(words) <= MAX_FEW_WORDS,
            name="" if name == NO_NAME else name,
            no_watermark="watermark" not in prompt.lower(),
            no_opening="without starting with" in prompt,
        )

    def _read_options(self, rest: str) -> tuple[str, str]:
        """Gives the name that the options mention, and what is left after all known ones."""
        name = ""
        while rest:
            found = next((found for option in self._options if (found := option.match(rest))), None)
            if found is None:
                break
            name = found.groupdict().get("name") or name
            rest = rest[found.end() :].strip()
        return name, rest


def _pattern(wording: str) -> re.Pattern[str]:
    """Gives what matches a wording at the beginning of a prompt."""
    seen: set[str] = set()

    def filled(place: re.Match[str]) -> str:
        kind = place[1]
        again = kind in seen
        seen.add(kind)
        return f"(?P={kind})" if again else f"(?P<{kind}>{_PATTERNS[kind]})"

    return re.compile(rf"{_PLACE.sub(filled, re.escape(wording))}(?=\s|$)")
