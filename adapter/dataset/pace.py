"""How many images are under way: enough that the engine always has work waiting, and not many more."""

import asyncio

# What adapts begins with it: with 32, short runs lost a tenth of the engine's rate (bench/README.md).
LEAST = 64
ALWAYS_WAITING = 8
# More than this share of what runs needn't wait: it would only fill the memory.
MOST_WAITING = 0.5
GROWTH, DECLINE = 1.5, 0.9


class Pace:
    """A limit that follows what the engine reports, between LEAST and `cap`; or is `fixed`."""

    def __init__(self, cap: int, fixed: int | None = None) -> None:
        self._cap = cap
        self._adapts = fixed is None
        self.limit = min(LEAST, cap) if fixed is None else fixed
        self.under_way = 0
        self._changed = asyncio.Event()

    @property
    def has_room(self) -> bool:
        return self.under_way < self.limit

    def observe(self, running: int, waiting: int) -> None:
        """What the engine says: requests that it computes, and those that wait for it."""
        if not self._adapts:
            return
        if waiting == 0 and self.under_way >= self.limit:
            self.limit = min(self._cap, max(self.limit + 1, int(self.limit * GROWTH)))
            self._changed.set()
        elif waiting > max(ALWAYS_WAITING, running * MOST_WAITING):
            self.limit = max(min(LEAST, self._cap), int(self.limit * DECLINE))

    async def wait_for_room(self) -> None:
        while not self.has_room:
            self._changed.clear()
            await self._changed.wait()

    def begin_one(self) -> None:
        """One more image is under way."""
        self.under_way += 1

    def end_one(self) -> None:
        self.under_way -= 1
        self._changed.set()
