"""The workers of a run on many machines: hands parts out to them, and puts others in the place of lost ones.

It knows workers as `Hand`s, and neither their machines nor Ray.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Protocol

from adapter.dataset.cluster.backlog import Backlog
from adapter.dataset.cluster.news import Ended, News
from adapter.dataset.cluster.part import Part
from adapter.dataset.events import Event, Stopping
from adapter.dataset.run import LAST_CHANCE_S
from adapter.errors import CaptionError, EngineGoneError
from adapter.policy import Fault

MAX_LOSSES = 3  # in one worker's place, in a row, with nothing done in between
PAUSE_S = 2.0  # before another worker begins in the place of one that was lost
TOLD_S = 10.0  # until people are told that a worker waits for a place
SILENCE_S = 120.0  # without an answer a worker is lost; it gives one each second
GIVE_UP_S = 5.0  # for a worker to end, after the second interruption


class WorkerLostError(Exception):
    """A worker is gone, with its process or its machine. The message is one line."""


class Hand(Protocol):
    """A worker from afar; see `ClusterWorker`. Its methods raise WorkerLostError."""

    async def exchange(self, part: Part | None, *, closing: bool = False) -> News:
        """Hands a part over, and gives the news. The first call waits for the worker's place."""

    async def stop(self) -> None:
        """Ends its run early."""

    def dismiss(self) -> None:
        """Ends the worker at once, wherever it is; it may be gone already."""


class Crew:
    """So many workers, numbered from 1, made by `hire` when there is work.

    People call the parts `parts`, such as shards. `hear` gets events with the worker's name, and `notice`
    gets lines for people. `place_s` is the patience with a cluster that has no place for any worker, and
    `silence_s` that with a worker.
    """

    def __init__(
        self,
        size: int,
        hire: Callable[[int], Hand],
        backlog: Backlog,
        *,
        parts: str,
        hear: Callable[[str, Event], None],
        notice: Callable[[str], None],
        place_s: float,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._size = size
        self._hire = hire
        self._backlog = backlog
        self._parts = parts
        self._hear = hear
        self._notice = notice
        self._place_s = place_s
        self._silence_s = silence_s
        self._there: dict[int, Hand] = {}
        self._errors: list[CaptionError] = []
        self._over = asyncio.Event()
        self._interruptions = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def interrupted(self) -> bool:
        return self._interruptions > 0

    def interrupt(self) -> None:
        """Ends the run early. Once: hands out no more, and lets workers finish what is under way.

        Twice: gives that up.
        """
        self._interruptions += 1
        if self._there and self._interruptions == 1:
            self._hear("", Stopping(LAST_CHANCE_S))
        self._stop()

    async def complete(self) -> None:
        """Works until the backlog is empty, or nobody is left to do it.

        Raises EngineGoneError, NothingWritableError and InvalidRequestError where they end it early.
        """
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(self._end_when_finished())
            await self._until_over(self._backlog.has_work)
            places = [group.create_task(self._fill(number + 1)) for number in range(self._size)]
            await asyncio.wait(places)
            ending.cancel()
        self._backlog.close()
        wrong = [error for error in self._errors if error.fault is Fault.REQUEST]
        if self._errors and (wrong or not (self.interrupted or self._backlog.finished.is_set())):
            raise [*wrong, *self._errors][0]

    async def _end_when_finished(self) -> None:
        await self._backlog.finished.wait()
        self._over.set()

    async def _until_over(self, event: asyncio.Event) -> None:
        """Waits for the event, or for the run's end."""
        waiting = [asyncio.create_task(one.wait()) for one in (event, self._over)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    # --- One place ------------------------------------------------------------------------------------

    async def _fill(self, number: int) -> None:
        """Has workers work in one place, one after the other, each until its end."""
        losses = 0
        while not (self._over.is_set() or self._backlog.finished.is_set()):
            hand = self._hire(number)
            before = self._backlog.heard
            try:
                ended = await self._employ(number, hand)
            except WorkerLostError as error:
                given = self._backlog.give_back(number)
                losses = 1 if self._backlog.heard > before else losses + 1
                if self._over.is_set():
                    return
                others = f"; others do {len(given)} of its {self._parts}" if given else ""
                self._notice(f"{_name(number)} was lost{others}: {error}")
                if losses >= MAX_LOSSES:
                    self._errors.append(EngineGoneError(f"{_name(number)} was lost {losses} times: {error}"))
                    return
                await self._pause(PAUSE_S)
                continue
            finally:
                self._there.pop(number, None)
                hand.dismiss()
            self._end(number, ended)
            return

    def _end(self, number: int, ended: Ended) -> None:
        if ended.error is None:
            return
        self._errors.append(ended.error)
        if ended.error.fault is Fault.REQUEST:
            self._stop()  # it will be so for all of them
            return
        self._backlog.give_back(number)
        if not self._over.is_set():
            self._notice(f"{_name(number)} has ended: {ended.error}")

    async def _employ(self, number: int, hand: Hand) -> Ended:
        """Gives the worker parts, and takes its news, until its end. Raises WorkerLostError."""
        news = await self._first_news(number, hand)
        if news is None:
            return Ended()
        self._there[number] = hand
        if self.interrupted:
            await hand.stop()
        while True:
            for event in news.events:
                self._hear(f"{_name(number)} on {news.host}", event)
            self._backlog.hear(number, news)
            if news.ended is not None:
                return news.ended
            may_begin = news.wants and not self._over.is_set()
            part = self._backlog.next_for(number) if may_begin else None
            try:
                async with asyncio.timeout(self._silence_s):
                    news = await hand.exchange(part, closing=self._over.is_set())
            except TimeoutError as error:
                raise WorkerLostError(f"It hasn't answered for {self._silence_s:.0f} s") from error

    async def _first_news(self, number: int, hand: Hand) -> News | None:
        """Waits for the worker's place; gives None where it isn't needed any more."""
        waited_s = 0.0
        first = asyncio.create_task(hand.exchange(None))
        over = asyncio.create_task(self._over.wait())
        either: set[asyncio.Future[Any]] = {first, over}
        try:
            while True:
                step_s = self._place_s if waited_s else min(TOLD_S, self._place_s)
                await asyncio.wait(either, timeout=step_s, return_when=asyncio.FIRST_COMPLETED)
                if first.done():
                    return first.result()
                if over.done():
                    return None
                if not waited_s:
                    self._notice(f"{_name(number)} waits for a place in the cluster")
                waited_s += step_s
                if waited_s >= self._place_s and not self._there:
                    why = f"No machine of the cluster has had a place for a worker for {waited_s:.0f} s"
                    return News("", ended=Ended(EngineGoneError(why)))
        finally:
            for task in (first, over):
                task.cancel()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()

    def _stop(self) -> None:
        self._over.set()
        for hand in self._there.values():
            stopping = asyncio.create_task(self._stop_one(hand))
            self._tasks.add(stopping)
            stopping.add_done_callback(self._tasks.discard)
        if self._interruptions > 1:
            loop = asyncio.get_running_loop()
            for hand in self._there.values():
                loop.call_later(GIVE_UP_S, hand.dismiss)

    async def _stop_one(self, hand: Hand) -> None:
        with contextlib.suppress(WorkerLostError):  # its place notices
            await hand.stop()


def _name(number: int) -> str:
    return f"Worker {number}"
