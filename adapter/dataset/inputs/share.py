"""A share of a dataset, for several machines that divide it without knowing of each other."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from adapter.dataset.inputs.input import Input
from adapter.dataset.item import Item
from adapter.errors import InvalidRequestError
from adapter.stable_hash import stable_hash


@dataclass(frozen=True)
class Share:
    """The `index`-th of `count` shares, counted from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Reads `2/8`. Raises InvalidRequestError."""
        index, slash, count = text.partition("/")
        if slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
            return cls(int(index), int(count))
        raise InvalidRequestError(
            f"{text!r} doesn't name a share: write 1/4 to 4/4 for four of them", "shard"
        )

    @classmethod
    def of(cls, key: str, count: int) -> "Share":
        """Gives that one of `count` shares which has the item.

        Items that differ only by extension are in the same one.
        """
        return cls(_index(key, count), count)

    def has(self, key: str) -> bool:
        """Tells whether the item is in this share."""
        return _index(key, self.count) == self.index


def _index(key: str, count: int) -> int:
    return stable_hash(os.path.splitext(key)[0]) % count + 1


@dataclass(frozen=True)
class SharedInput:
    """The items of another input that are in a share."""

    whole: Input
    share: Share

    @property
    def root(self) -> str:
        return self.whole.root

    @property
    def is_countable(self) -> bool:
        return self.whole.is_countable

    @property
    def is_list(self) -> bool:
        return self.whole.is_list

    def items(self) -> Iterator[Item]:
        return (item for item in self.whole.items() if self.share.has(item.key))

    def item(self, key: str) -> Item:
        return self.whole.item(key)

    def key(self, path: str) -> str | None:
        key = self.whole.key(path)
        return key if key is not None and self.share.has(key) else None

    def has(self, key: str) -> bool:
        return self.whole.has(key)

    def holds(self, key: str) -> bool:
        return self.whole.holds(key)
