"""Who may ask the engine, and when: room for images, turns at the engine, and the end of both."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from adapter.errors import EngineBusyError, StoppingError
from adapter.trace import Trace


class Admission:
    """Admits up to `max_in_flight` and `max_queue` images together, of which `max_in_flight` have a turn.

    `admitted` counts images that have room, `in_flight` those that have their turn.
    """

    def __init__(self, max_in_flight: int, max_queue: int) -> None:
        self.capacity = max_in_flight + max_queue
        self.admitted = 0
        self.in_flight = 0
        self._turns = asyncio.Semaphore(max_in_flight)
        self._work: set[asyncio.Task[Any]] = set()
        self._given_up: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    @property
    def has_free_turn(self) -> bool:
        """Whether an image would have its turn at once."""
        return not self._turns.locked()

    @contextlib.contextmanager
    def room(self, images: int) -> Iterator[None]:
        """Holds room for so many images while the context lasts. Raises StoppingError, EngineBusyError."""
        if self._stopping:
            raise StoppingError
        if self.admitted + images > self.capacity:
            raise EngineBusyError(f"{self.admitted} images wait already; try again soon")
        self.admitted += images
        try:
            yield
        finally:
            self.admitted -= images

    @contextlib.asynccontextmanager
    async def turn(self, trace: Trace) -> AsyncIterator[None]:
        """Waits for a turn at the engine, and holds it while the context lasts."""
        with trace.stage("wait"):
            await self._turns.acquire()
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1
            self._turns.release()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Makes `drain` wait for this task.

        A task that it gives up gets StoppingError, not a cancellation.
        """
        task = asyncio.current_task()
        assert task is not None
        self._work.add(task)
        self._idle.clear()
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._given_up:
                raise
            task.uncancel()
            raise StoppingError from None
        finally:
            self._given_up.discard(task)
            self._work.discard(task)
            if not self._work:
                self._idle.set()

    async def drain(self, limit_s: float) -> None:
        """Admits no more images, waits up to `limit_s` for those at work, and gives up the rest."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit_s)
        for task in self._work:
            self._given_up.add(task)
            task.cancel()
