"""Who may ask the engine, and when: room for images, turns at the engine, and the end of both."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from adapter.captioner.priority import Priority
from adapter.errors import CaptionError, EngineBusyError, StoppingError
from adapter.trace import Trace
from adapter.turns import Turns


class Admission:
    """Admits as many images as have a turn at one time, and up to `max_queue` that wait for theirs.

    `max_in_flight` gives how many have a turn, which depends on the engines that are ready; `update` is to be
    called when it has grown. `admitted` counts images that have room, `in_flight` those that have their turn.
    `make_way` is called where one has to wait for a turn that work which nobody asked for may have.
    """

    def __init__(self, max_in_flight: Callable[[], int], max_queue: int) -> None:
        self.admitted = 0
        self.make_way: Callable[[], None] = lambda: None
        self._max_in_flight = max_in_flight
        self._max_queue = max_queue
        self._turns = Turns(max_in_flight)
        self._work: set[asyncio.Task[Any]] = set()
        self._given_up: dict[asyncio.Task[Any], CaptionError] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """The number of images that have their turn."""
        return self._turns.taken

    @property
    def waiting(self) -> int:
        """The number of images that wait for their turn, those of runs included."""
        return self._turns.waiting

    @property
    def capacity(self) -> int:
        """The number of images that can have room."""
        return self._max_in_flight() + self._max_queue

    @property
    def has_free_turn(self) -> bool:
        """Whether an image would have its turn at once."""
        return self._turns.has_free

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
    async def turn(self, trace: Trace, priority: Priority = Priority.PERSON) -> AsyncIterator[None]:
        """Waits for a turn at the engine, and holds it while the context lasts."""
        with trace.stage("wait"):
            if priority is not Priority.AHEAD and not self.has_free_turn:
                self.make_way()
            await self._turns.take(priority)
        try:
            yield
        finally:
            self._turns.give_back()

    def update(self) -> None:
        """Gives the turns that are free to those who wait for one."""
        self._turns.update()

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Makes `drain` wait for this task.

        A task that is given up gets the error that it is given up with, not a cancellation.
        """
        task = asyncio.current_task()
        assert task is not None
        self._work.add(task)
        self._idle.clear()
        try:
            yield
        except asyncio.CancelledError:
            error = self._given_up.get(task)
            if error is None:
                raise
            task.uncancel()
            raise error from None
        finally:
            self._given_up.pop(task, None)
            self._work.discard(task)
            if not self._work:
                self._idle.set()

    def give_up(self, reason: Callable[[], CaptionError]) -> None:
        """Ends all that is at work, each with an error of its own."""
        for task in self._work:
            self._given_up[task] = reason()
            task.cancel()

    async def drain(self, limit_s: float) -> None:
        """Admits no more images, waits up to `limit_s` for those at work, and gives up the rest."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit_s)
        self.give_up(StoppingError)
