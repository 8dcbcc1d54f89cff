"""The models that /v1 lists: the served one, and one more for each style and caption type.

Thus a client that can only offer a list of models offers every style.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count

from adapter.caption.prompts import PromptBook
from adapter.caption.style_name import slug
from adapter.errors import ModelNotFoundError

SERVED_MODEL = "joycaption"  # a stable name, whatever folder or hub name the weights have


@dataclass(frozen=True)
class VirtualModel:
    """A name for the model, and the style or caption type whose prompt comes with it.

    The served model's own name has neither.
    """

    id: str
    style: str = ""
    caption_type: str = ""

    @property
    def writes_prompt(self) -> bool:
        """Whether the name decides the prompt."""
        return bool(self.style or self.caption_type)


class VirtualModels:
    """The models `joycaption`, `joycaption:booru`, `joycaption:art-critic` and so on for a book.

    Where a caption type has the name of a style, `-type` is added to it.
    """

    def __init__(self, book: PromptBook) -> None:
        self._book = book
        self._styles: tuple[str, ...] = ()
        self._models: dict[str, VirtualModel] = {}

    def __iter__(self) -> Iterator[VirtualModel]:
        self._look()
        return iter(self._models.values())

    def find(self, name: str) -> VirtualModel:
        """Gives the model of that name; case, blanks and underscores make no difference.

        Raises ModelNotFoundError.
        """
        self._look()
        base, colon, rest = name.partition(":")
        found = self._models.get(_id(rest) if colon else base) if base == SERVED_MODEL else None
        if found is None:
            raise ModelNotFoundError(
                f"The model {name!r} does not exist; GET /v1/models lists those that do", "model"
            )
        return found

    def _look(self) -> None:
        """Makes the models anew where the book's styles have changed."""
        styles = tuple(self._book.styles)
        if self._models and styles == self._styles:
            return
        self._styles = styles
        self._models = {SERVED_MODEL: VirtualModel(SERVED_MODEL)}
        for style in styles:
            self._add(style, "style", style=style)
        for caption_type in self._book.caption_types:
            self._add(caption_type, "type", caption_type=caption_type)

    def _add(self, name: str, kind: str, *, style: str = "", caption_type: str = "") -> None:
        names = chain([name, f"{name} {kind}"], (f"{name} {number}" for number in count(2)))
        free = next(id for id in map(_id, names) if id not in self._models)
        self._models[free] = VirtualModel(free, style, caption_type)


def _id(name: str) -> str:
    """Gives `joycaption:descriptive-casual` for `Descriptive (Casual)`."""
    return f"{SERVED_MODEL}:{slug(name)}"
