"""What a run needs of whatever it works through: jobs and settled texts in, an outlet for what comes of them.

A folder's texts go by its ledger, and those of shards by their outputs; a run knows neither.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from adapter.caption.answer import Answer
from adapter.dataset.events import Event
from adapter.dataset.item import Item
from adapter.dataset.recipe import Recipe
from adapter.errors import CaptionError


class Asked(Protocol):
    """One text to be made."""

    @property
    def recipe(self) -> Recipe:
        """How it is made."""

    @property
    def attempts(self) -> int:
        """The number of attempts of earlier runs whose captions were refused."""


class Work(Protocol):
    """An item with the texts that it needs."""

    @property
    def item(self) -> Item:
        """What is captioned."""

    @property
    def tasks(self) -> Sequence[Asked]:
        """The texts to be made, one after the other."""


W = TypeVar("W", bound=Work)
W_contra = TypeVar("W_contra", bound=Work, contravariant=True)


@dataclass(frozen=True)
class Settled:
    """Something that there is nothing to make for. `event` tells what, and why."""

    event: Event


class Outlet(Protocol[W_contra]):
    """Takes what a run makes, while `write` runs."""

    async def put(self, work: W_contra, number: int, result: Answer | CaptionError) -> None:
        """Takes what came of the work's task of that number, counted from 0; may wait for a slow disk."""

    def give_up(self, work: W_contra, number: int) -> None:
        """Notes that the tasks from that number on won't be made by this run."""

    async def end(self) -> None:
        """Takes no more: `write` returns when it has written what it has."""

    async def write(self) -> None:
        """Writes until `end` is called. Raises NothingWritableError where that has become of no use."""
