"""How an engine is: one value at a time, which can be read, and awaited instead of polled."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from adapter.engine.progress import Progress

# starting: never ready so far. restarting: it was ready, is away, and may come back. failed: it is gone for
# good.
State = Literal["starting", "ready", "restarting", "failed"]
T = TypeVar("T")


@dataclass(frozen=True)
class Status:
    """What is known of an engine.

    `progress` says in words how far it is, or what went wrong. `trusted` is what the last self-check found,
    None before the first. `starts` counts the starts of an engine of our own.
    """

    state: State = "starting"
    progress: Progress = field(default_factory=Progress)
    trusted: bool | None = None
    starts: int = 0

    @property
    def ready(self) -> bool:
        """Whether the engine can be asked."""
        return self.state == "ready"


class Watched(Generic[T]):
    """A value that changes, for one event loop."""

    def __init__(self, value: T) -> None:
        self.value = value
        self._changed = asyncio.Event()

    def set(self, value: T) -> None:
        """Changes the value, and wakes whoever waits for a change."""
        if value == self.value:
            return
        self.value = value
        changed, self._changed = self._changed, asyncio.Event()
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
    """An engine's status, changed part by part."""

    def __init__(self) -> None:
        super().__init__(Status())

    def update(self, **parts: Any) -> None:
        """Changes these fields of the status."""
        self.set(replace(self.value, **parts))
