"""Turns at what only so many can have at one time: by their rank, and then by who came first."""

import asyncio
import contextlib
import heapq
import itertools
from collections.abc import AsyncIterator, Callable


class Turns:
    """Gives as many turns at one time as `limit` says, which may change; `update` is to be called when it
    grew.

    The lowest `rank` goes first.
    """

    def __init__(self, limit: Callable[[], int]) -> None:
        self.taken = 0
        self._limit = limit
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []  # a heap
        self._numbers = itertools.count()

    @property
    def has_free(self) -> bool:
        """Whether a turn would be had at once."""
        return not self._waiting and self.taken < self._limit()

    @property
    def waiting(self) -> int:
        """The number of those who wait for a turn."""
        return sum(not turn.done() for *_, turn in self._waiting)

    @contextlib.asynccontextmanager
    async def turn(self, rank: int = 0) -> AsyncIterator[None]:
        """Waits for a turn, and holds it while the context lasts."""
        await self.take(rank)
        try:
            yield
        finally:
            self.give_back()

    async def take(self, rank: int = 0) -> None:
        """Waits for a turn, which has to be given back."""
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), turn))
        self.update()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()  # it came in the moment in which nobody wanted it any more
            raise

    def give_back(self) -> None:
        """Ends a turn."""
        self.taken -= 1
        self.update()

    def update(self) -> None:
        """Gives the turns that are free to those who wait for one."""
        while self._waiting and self.taken < self._limit():
            *_, turn = heapq.heappop(self._waiting)
            if not turn.done():  # else whoever waited has left
                self.taken += 1
                turn.set_result(None)
