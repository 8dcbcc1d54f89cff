"""What a worker tells of its run: counts by part, and the events that are worth more than a count."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapter.dataset.cluster.part import Part
from adapter.dataset.events import (
    CaptioningBegan,
    Event,
    ShardDone,
    SliceDone,
    TextEdited,
    TextSkipped,
    TextWritten,
)
from adapter.dataset.tally import Tally
from adapter.errors import CaptionError


@dataclass(frozen=True)
class Ended:
    """A worker's run has ended; `error` says why it did so early, None where nothing went wrong."""

    error: CaptionError | None = None


@dataclass(frozen=True)
class News:
    """What has happened since the worker was last asked, on the machine called `host`.

    `counts` are of texts by their parts' names. With `wants` it has no more to read, and waits for a part.
    """

    host: str
    counts: dict[str, Tally] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    wants: bool = False
    ended: Ended | None = None


class Bulletin:
    """Collects what happens in a worker's run until somebody asks. Belongs to the loop that runs.

    `part_of` is that of the worker's `Trade`.
    """

    def __init__(self, host: str, part_of: Callable[[str, Mapping[str, Any]], str]) -> None:
        self._host = host
        self._part_of = part_of
        self._loop = asyncio.get_running_loop()
        self._parts: dict[str, Part] = {}  # that were handed over, by their names
        self._counts: dict[str, Tally] = {}
        self._events: list[Event] = []
        self._wants = False
        self._ended: Ended | None = None
        self._urgent = asyncio.Event()

    def begin(self, part: Part) -> None:
        """Notes that the part was handed over."""
        self._parts[part.name] = part
        self._wants = False

    def take(self, event: Event) -> None:
        """Takes an event of the run."""
        if isinstance(event, TextWritten | TextSkipped | TextEdited):
            self._counts.setdefault(self._part_of(event.image, self._parts), Tally()).take(event)
        else:
            self._events.append(event)
            if isinstance(event, CaptioningBegan | ShardDone | SliceDone):
                self._urgent.set()  # a clock starts with the first, and perhaps ends with the last

    def ask(self) -> None:
        """Notes that another part is wanted. For any thread."""

        def want() -> None:
            self._wants = True
            self._urgent.set()

        self._loop.call_soon_threadsafe(want)

    def end(self, ended: Ended) -> None:
        """Notes that the run has ended."""
        self._ended = ended
        self._urgent.set()

    async def news(self, within_s: float) -> News:
        """Gives what there is after `within_s` seconds, or at once: where a part is wanted, or has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._urgent.wait()
        self._urgent.clear()
        news = News(self._host, self._counts, self._events, self._wants, self._ended)
        self._counts, self._events = {}, []
        return news
