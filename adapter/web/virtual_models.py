"""The models that /v1 lists: the served one, and one for each style and caption type.

A client that only lets people pick a model from a list thus has every style.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count

from adapter.errors import ModelNotFoundError
from adapter.prompts import PromptBook

SERVED_MODEL = "joycaption"  # a stable name, whatever folder or hub name the weights have
NO_WORD = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class VirtualModel:
    """A model's name, and the style or caption type whose prompt it writes; the served model has neither."""

    id: str
    style: str = ""
    caption_type: str = ""

    @property
    def writes_prompt(self) -> bool:
        return bool(self.style or self.caption_type)


class VirtualModels:
    """`joycaption`, `joycaption:booru`, `joycaption:art-critic`, ... for the styles and types of a book.

    Where a caption type's name is a style's too, the caption type's gets `-type` behind it.
    """

    def __init__(self, book: PromptBook) -> None:
        self._models = {SERVED_MODEL: VirtualModel(SERVED_MODEL)}
        for style in book.styles:
            self._add(style, "style", style=style)
        for caption_type in book.caption_types:
            self._add(caption_type, "type", caption_type=caption_type)

    def __iter__(self) -> Iterator[VirtualModel]:
        return iter(self._models.values())

    def find(self, name: str) -> VirtualModel:
        """The model of that name; case, blanks and underscores don't matter. Raises ModelNotFoundError."""
        base, colon, rest = name.partition(":")
        found = self._models.get(_id(rest) if colon else base) if base == SERVED_MODEL else None
        if found is None:
            raise ModelNotFoundError(
                f"The model {name!r} does not exist; GET /v1/models lists those that do", "model"
            )
        return found

    def _add(self, name: str, kind: str, *, style: str = "", caption_type: str = "") -> None:
        names = chain([name, f"{name} {kind}"], (f"{name} {number}" for number in count(2)))
        free = next(id for id in map(_id, names) if id not in self._models)
        self._models[free] = VirtualModel(free, style, caption_type)


def _id(name: str) -> str:
    """`Descriptive (Casual)` gives `joycaption:descriptive-casual`."""
    words = NO_WORD.sub("-", name.lower()).strip("-")
    return f"{SERVED_MODEL}:{words}"
