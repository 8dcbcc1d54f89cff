"""Limits how many items are under way: enough that the engine always has work waiting, and not many more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from adapter.engine.fleet import Fleet

# A limit that adapts begins here: with 32, short runs lost a tenth of the engine's rate (bench/README.md).
MIN_UNDER_WAY = 64
ALWAYS_WAITING = 8
# More than this share of what runs needn't wait: it would only fill the memory.
MAX_WAITING_SHARE = 0.5
GROWTH, DECLINE = 1.5, 0.9
OBSERVE_S = 1.0


class Pace:
    """A limit that follows what the engines report, unless it is `fixed`.

    It lies between MIN_UNDER_WAY and `cap` for each engine that is ready.
    """

    def __init__(self, cap: int, fixed: int | None = None) -> None:
        self._cap = cap
        self._adapts = fixed is None
        self.limit = min(MIN_UNDER_WAY, cap) if fixed is None else fixed
        self.under_way = 0
        self._changed = asyncio.Event()

    @property
    def has_room(self) -> bool:
        return self.under_way < self.limit

    def observe(self, running: int, waiting: int, engines: int = 1) -> None:
        """Takes what the engines report: the requests that they compute, and those that wait for them."""
        if not self._adapts:
            return
        if waiting == 0 and self.under_way >= self.limit:
            self.limit = min(self._cap * max(1, engines), max(self.limit + 1, int(self.limit * GROWTH)))
            self._changed.set()
        elif waiting > max(ALWAYS_WAITING, running * MAX_WAITING_SHARE):
            self.limit = max(min(MIN_UNDER_WAY, self._cap), int(self.limit * DECLINE))

    @contextlib.asynccontextmanager
    async def following(self, fleet: Fleet) -> AsyncIterator[None]:
        """Asks the engine how busy it is, once in OBSERVE_S seconds while the context lasts."""
        task = asyncio.create_task(self._follow(fleet))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()  # raises: it ends by itself only through a bug

    async def wait_for_room(self) -> None:
        """Waits until one more item may be under way."""
        while not self.has_room:
            self._changed.clear()
            await self._changed.wait()

    def begin_one(self) -> None:
        """Notes that one more item is under way."""
        self.under_way += 1

    def end_one(self) -> None:
        """Notes that one of them is done with."""
        self.under_way -= 1
        self._changed.set()

    async def _follow(self, fleet: Fleet) -> None:
        while True:
            await asyncio.sleep(OBSERVE_S)
            load = await fleet.load()
            if load is not None:  # without an answer it stays as it is
                self.observe(load.running, load.waiting, fleet.ready_count)
