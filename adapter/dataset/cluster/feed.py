"""Parts on their way to the thread that reads them, which asks for the next one when it is through."""

import queue
from collections.abc import Callable, Iterator

from adapter.dataset.cluster.part import Part


class Feed:
    """Gives parts as they are handed over, until it is closed. Calls `ask`, in any thread, for each."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask = ask
        self._parts: queue.SimpleQueue[Part | None] = queue.SimpleQueue()

    def __iter__(self) -> Iterator[Part]:
        """Waits for each part. The last one's captions may still be under way meanwhile."""
        while True:
            self._ask()
            part = self._parts.get()
            if part is None:
                return
            yield part

    def give(self, part: Part) -> None:
        """Hands a part over."""
        self._parts.put(part)

    def close(self) -> None:
        """Lets it end after the parts that were handed over."""
        self._parts.put(None)
