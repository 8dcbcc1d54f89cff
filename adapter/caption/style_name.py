"""What users may call their styles: by the name a style is chosen, and files are called after it.

Pure.
"""

import re
from collections.abc import Container, Iterable

from adapter.errors import WrongFieldError

MAX_STYLE_NAME = 40  # characters; a file's name has room for 255 bytes, and the image's is in it too
NO_WORD = re.compile(r"[\W_]+")


def slug(name: str) -> str:
    """Gives the name in small letters, with hyphens between its words: `descriptive-casual`."""
    return NO_WORD.sub("-", name.lower()).strip("-")


def refuse_style_name(name: str, caption_types: Iterable[str], known_styles: Container[str]) -> None:
    """Raises WrongFieldError for the field `name` where no style of a user's own may be called so.

    A name must not look like one of the `caption_types`, unless it is in `known_styles` already: the user may
    replace those.
    """
    if problem := _problem(name, caption_types, known_styles):
        raise WrongFieldError("name", problem)


def _problem(name: str, caption_types: Iterable[str], known_styles: Container[str]) -> str:
    if not slug(name):
        return "must have a letter or a digit"
    if len(name) > MAX_STYLE_NAME:
        return f"has more than {MAX_STYLE_NAME} characters"
    if name != name.strip() or not name.isprintable():
        return "has a blank at its end, or a character that can't be seen"
    if name.startswith(".") or "/" in name or "," in name:
        return "must not begin with a full stop, nor have a slash or a comma"
    if name not in known_styles:
        for caption_type in caption_types:
            if slug(caption_type) == slug(name):
                return f"is too much like the caption type {caption_type}"
    return ""
