"""Adds tags to texts, and takes them away. Pure."""

import re
from collections.abc import Iterable, Iterator

from adapter.caption.text_form import normal_tag, tags_of

_SEPARATOR = re.compile(r"([,;\n])")
_SENTENCE_END = (".", "!", "?")
MIN_SENTENCE_WORDS = 3  # fewer may be an abbreviation, as in "mr. fox"


def with_tags(text: str, tags: Iterable[str], *, first: bool = False) -> str:
    """Gives `text` with those of the tags that it doesn't have yet, behind it or, if `first`, before it."""
    there = {tag for tag, _, _ in tags_of(text)}
    there |= {normal_tag(behind[1]) for part in _SEPARATOR.split(text) if (behind := _behind(part))}
    new = []
    for tag in _single(tags):
        normal = normal_tag(tag)
        if normal not in there:
            there.add(normal)
            new.append(tag)
    added, rest = ", ".join(new), text.strip().rstrip(",").rstrip()
    if not added:
        return text
    if not rest:
        return added
    if first:
        return f"{added}, {rest}"
    return f"{rest}{' ' if rest.endswith(_SENTENCE_END) else ', '}{added}"


def without_tags(text: str, tags: Iterable[str]) -> str:
    """Gives `text` without these tags, however they are spelled in it. Lines stay lines."""
    removed = {normal_tag(tag) for tag in _single(tags)}
    parts = _SEPARATOR.split(text)
    pairs = list(zip(parts[::2], [*parts[1::2], ""], strict=True))
    kept: list[tuple[str, str]] = []
    is_changed = False
    for part, separator in pairs:
        behind = _behind(part)
        if behind is not None and normal_tag(behind[1]) in removed:
            kept.append((behind[0], "" if separator == "," else separator))
            is_changed = True
        elif normal_tag(part) not in removed:
            kept.append((part, separator))
        elif separator == "\n" and kept:
            kept[-1] = (kept[-1][0], separator)
    if len(kept) == len(pairs) and not is_changed:
        return text
    return "".join(part + separator for part, separator in kept).strip().rstrip(",;").rstrip()


def _behind(part: str) -> tuple[str, str] | None:
    """Splits a sentence from the tag behind it, where `with_tags` may have put one."""
    end = max(part.rfind(f"{mark} ") for mark in _SENTENCE_END) + 1
    sentence, tag = part[:end], part[end:]
    is_sentence = len(sentence.split(maxsplit=MIN_SENTENCE_WORDS)) >= MIN_SENTENCE_WORDS
    return (sentence, tag) if is_sentence and normal_tag(tag) else None


def _single(tags: Iterable[str]) -> Iterator[str]:
    """Yields each tag by itself, where several are in one string."""
    for tag in tags:
        for part in _SEPARATOR.split(tag)[::2]:
            if normal_tag(part):
                yield part.strip()
