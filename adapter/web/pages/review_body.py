"""What clients say about reviews: which items they mean, and what is to become of their texts."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote_to_bytes

from pydantic import Field

from adapter.caption.flaws import Kind
from adapter.dataset.review.changes import AddTags, Change, RemoveTags, Replace
from adapter.dataset.review.item_filter import ItemFilter, Sort, State
from adapter.errors import WrongFieldError
from adapter.web.pages.run_body import EXTENSION
from adapter.web.wire import WireModel, validate

MAX_STYLE = 100
MAX_IMAGES = 100_000  # that are named one by one
MAX_TEXT = 200_000  # characters

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Style = Annotated[str, Field(max_length=MAX_STYLE, pattern=r"^([^./\\\x00][^/\\\x00]*)?$")]


class DatasetBody(WireModel):
    """The body of `POST /api/datasets`."""

    folder: Annotated[str, Field(min_length=1)]
    extension: Annotated[str, Field(pattern=EXTENSION)] = ".txt"


class FilterBody(WireModel):
    """The parameters of `GET /api/datasets/ID/items` that choose items."""

    q: str = ""
    state: State | None = Field(default=None, strict=False)
    flaw: Kind | None = Field(default=None, strict=False)
    over: Annotated[int | None, Field(ge=0, le=100_000, strict=False)] = None
    same: Hash | None = None
    style: Style | None = None
    sort: Sort = Field(default=Sort.NAME, strict=False)

    @property
    def meant(self) -> ItemFilter:
        """The items that these parameters mean."""
        return ItemFilter(
            self.q, self.state, self.flaw or "", self.over, self.same or "", self.style, self.sort
        )


class TextBody(WireModel):
    """The body of `PUT /api/datasets/ID/texts`. `replaces` is the hash of what was seen, if anything."""

    image: Annotated[str, Field(min_length=1)]
    style: Style = ""
    text: Annotated[str, Field(max_length=MAX_TEXT)]
    replaces: Hash | None = None


class AcceptBody(WireModel):
    """The body of `POST /api/datasets/ID/accepted`."""

    image: Annotated[str, Field(min_length=1)]
    style: Style = ""
    hash: Hash
    accepted: bool = True


class ChangeBody(WireModel):
    """The body of `POST /api/datasets/ID/changes`: for all items of a `view`, or for `images` by their ids.

    With `style` only texts of that style are meant. `first` and `count` choose what a preview shows.
    """

    view: str | None = None
    images: Annotated[list[str], Field(max_length=MAX_IMAGES)] | None = None
    style: Style | None = None
    action: Literal["replace", "add_tags", "remove_tags"]
    find: str = ""
    replacement: str = ""
    expression: bool = False
    ignore_case: bool = False
    tags: list[str] = Field(default=[])
    at_start: bool = False
    first: Annotated[int, Field(ge=0)] = 0
    count: Annotated[int, Field(ge=1, le=500)] = 50

    @property
    def change(self) -> Change:
        """The change itself."""
        match self.action:
            case "replace":
                return Replace(self.find, self.replacement, self.expression, self.ignore_case)
            case "add_tags":
                return AddTags(tuple(self.tags), self.at_start)
            case "remove_tags":
                return RemoveTags(tuple(self.tags))


class UndoBody(WireModel):
    """The body of `POST /api/datasets/ID/undo`. `force` puts texts back that were changed since, too."""

    change: int
    force: bool = False


def filter_of(parameters: Mapping[str, str]) -> ItemFilter:
    """Gives the items that a query string means. Raises WrongFieldError."""
    fields: dict[str, Any] = {
        name: value for name, value in parameters.items() if value or name in ("q", "style")
    }
    return validate(fields, FilterBody).meant


def number_of(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    """Gives a number from a query string, from 0 up to `most`. Raises WrongFieldError."""
    given = parameters.get(name, "")
    if not given:
        return default
    if not (given.isascii() and given.isdecimal() and len(given) <= len(str(most)) and int(given) <= most):
        raise WrongFieldError(name, f"should be a number from 0 to {most}")
    return int(given)


def to_id(key: str) -> str:
    """Gives the id by which clients know an image: its key, percent-encoded, as not every key is Unicode."""
    return quote(os.fsencode(key))


def to_key(identity: str) -> str:
    """Gives the key that an id stands for. Raises WrongFieldError."""
    try:
        return os.fsdecode(unquote_to_bytes(identity))
    except UnicodeEncodeError as error:
        raise WrongFieldError("image", "is no image's id") from error
