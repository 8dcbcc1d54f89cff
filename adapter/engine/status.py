"""How an engine is: one value at a time, which can be read, and awaited instead of polled."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from adapter.engine.failure import STOPPED
from adapter.engine.progress import Progress

# starting: never ready so far. restarting: it was ready, is away, and may come back. asleep: it was ended to
# free its memory, until it is asked. failed: it is gone for good.
State = Literal["starting", "ready", "restarting", "asleep", "failed"]
# From the best on: what a request finds is what the best engine has for it.
RANKS: Mapping[State, int] = {"ready": 0, "restarting": 1, "starting": 2, "asleep": 3, "failed": 4}
LONG_S = 10.0  # of one message: from then on it says for how long it has stood
T = TypeVar("T")


@dataclass(frozen=True)
class Status:
    """What is known of an engine.

    `progress` says in words how far it is, or what went wrong. `trusted` is what the last self-check found,
    None before the first. `starts` counts the starts of an engine of our own. `waking` tells whether it is
    starting because somebody needs it, after it was asleep.
    """

    state: State = "starting"
    progress: Progress = field(default_factory=Progress)
    trusted: bool | None = None
    starts: int = 0
    waking: bool = False

    @property
    def ready(self) -> bool:
        """Whether the engine can be asked."""
        return self.state == "ready"

    @property
    def expected(self) -> bool:
        """Whether an engine that isn't ready is on its way back, so that requests may wait for it."""
        return self.state == "restarting" or self.waking


class Watched(Generic[T]):
    """A value that changes, for one event loop."""

    def __init__(self, value: T) -> None:
        self.value = value
        self._changed = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[], None]) -> None:
        """Has `listener` called after each change, before whoever waits for one is woken."""
        self._listeners.append(listener)

    def set(self, value: T) -> None:
        """Changes the value, and wakes whoever waits for a change."""
        if value == self.value:
            return
        self.value = value
        changed, self._changed = self._changed, asyncio.Event()
        for listener in self._listeners:
            listener()
        changed.set()

    async def change(self) -> T:
        """Waits for the next change, and gives the value after it."""
        await self._changed.wait()
        return self.value

    async def until(self, holds: Callable[[T], bool]) -> T:
        """Waits until `holds(value)`, and gives the value."""
        while not holds(self.value):
            await self._changed.wait()
        return self.value


class WatchedStatus(Watched[Status]):
    """An engine's status, changed part by part.

    `since_s` is when it came into its state, by the monotonic clock. `away` says in words what it is while it
    is restarting.
    """

    def __init__(self, away: str = "The engine stopped and starts again") -> None:
        super().__init__(Status())
        self.since_s = self._said_s = time.monotonic()
        self._away = away

    def set(self, value: Status) -> None:
        """Changes the value, and wakes whoever waits for a change."""
        if value.state != self.value.state:
            self.since_s = time.monotonic()
        if value.progress.message != self.value.progress.message:
            self._said_s = time.monotonic()
        super().set(value)

    def shown(self) -> Status:
        """Gives the value, with a message that tells how long it takes where that is long."""
        status, now_s = self.value, time.monotonic()
        message = status.progress.message
        if status.state == "restarting":
            message = message.removeprefix(STOPPED)  # it is said already
            message = f"{self._away} ({now_s - self.since_s:.0f} s): {message[:1].lower()}{message[1:]}"
        elif status.state == "starting" and status.progress.status != "error":
            said_s = now_s - self._said_s
            message += f" ({said_s:.0f} s)" if said_s >= LONG_S else ""
        return replace(status, progress=replace(status.progress, message=message))

    def update(self, **parts: Any) -> None:
        """Changes these fields of the status."""
        self.set(replace(self.value, **parts))


def together(statuses: Mapping[str, Status]) -> Status:
    """Gives the status of several engines as one, by their names: that of the engine which is furthest.

    Its message begins with the engine's name, unless it is ready or the only one.
    """
    name = min(statuses, key=lambda name: (RANKS[statuses[name].state], -statuses[name].progress.progress))
    first = statuses[name]
    progress = first.progress
    if len(statuses) > 1 and not first.ready:
        progress = replace(progress, message=f"{name}: {progress.message}")
    return replace(
        first,
        progress=progress,
        waking=any(status.waking for status in statuses.values()),
        starts=sum(status.starts for status in statuses.values()),
    )
