"""Adds tags to texts, and takes them away. Pure."""

import re
from collections.abc import Iterable

from adapter.caption.text_form import normal_tag, tags_of

_SEPARATOR = re.compile(r"([,;\n])")
_SENTENCE_END = (".", "!", "?")


def with_tags(text: str, tags: Iterable[str], *, first: bool = False) -> str:
    """Gives `text` with those of the tags that it doesn't have yet, behind it or, if `first`, before it."""
    there = {tag for tag, _, _ in tags_of(text)}
    new = []
    for tag in tags:
        normal = normal_tag(tag)
        if normal and normal not in there:
            there.add(normal)
            new.append(tag.strip())
    added, rest = ", ".join(new), text.strip().rstrip(",").rstrip()
    if not added:
        return text
    if not rest:
        return added
    if first:
        return f"{added}, {rest}"
    return f"{rest}{' ' if rest.endswith(_SENTENCE_END) else ', '}{added}"


def without_tags(text: str, tags: Iterable[str]) -> str:
    """Gives `text` without these tags, however they are spelled in it."""
    removed = {normal_tag(tag) for tag in tags} - {""}
    parts = _SEPARATOR.split(text)
    pairs = list(zip(parts[::2], [*parts[1::2], ""], strict=True))
    kept = [(part, separator) for part, separator in pairs if normal_tag(part) not in removed]
    if len(kept) == len(pairs):
        return text
    return "".join(part + separator for part, separator in kept).strip().rstrip(",;").rstrip()
