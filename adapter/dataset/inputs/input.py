"""What every kind of input has in common."""

from collections.abc import Iterator
from typing import Protocol

from adapter.dataset.item import Item


class Input(Protocol):
    """The items of one dataset."""

    @property
    def root(self) -> str:
        """The absolute folder that keys and texts are relative to."""

    @property
    def is_countable(self) -> bool:
        """Whether the items can be found twice: once to be counted, once to be captioned."""

    @property
    def is_list(self) -> bool:
        """Whether only its items tell which files outside of the root it holds."""

    def items(self) -> Iterator[Item]:
        """Finds the items, lazily and anew by each call. Raises InvalidRequestError."""

    def item(self, key: str) -> Item:
        """Gives the item of that key, whether or not it is there."""

    def key(self, path: str) -> str | None:
        """Gives the key of the item at that absolute path, None where it is an item of some other input."""

    def has(self, key: str) -> bool:
        """Tells whether there is an image of that key."""

    def holds(self, key: str) -> bool:
        """Tells whether a key can be one of this input's, and doesn't lead to somewhere else."""
