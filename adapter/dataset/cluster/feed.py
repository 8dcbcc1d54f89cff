"""Shards on their way to the thread that reads them, which asks for the next one when it is through."""

import queue
from collections.abc import Callable, Iterator

from adapter.dataset.shards.shard_list import Shard


class Feed:
    """Gives shards as they are handed over, until it is closed. Calls `ask`, in any thread, for each."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._shards: queue.SimpleQueue[Shard | None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Shard]:
        """Waits for each shard. The last one's captions may still be under way meanwhile."""
        while True:
            self._ask()
            shard = self._shards.get()
            if shard is None:
                return
            yield shard

    def give(self, shard: Shard) -> None:
        """Hands a shard over."""
        self._shards.put(shard)

    def close(self) -> None:
        """Lets it end after the shards that were handed over."""
        self._shards.put(None)
