"""What a worker tells of its run: counts by shard, and the events that are worth more than a count."""

import asyncio
import contextlib
from dataclasses import dataclass, field

from adapter.dataset.events import CaptioningBegan, Event, ShardDone, TextEdited, TextSkipped, TextWritten
from adapter.dataset.tally import Tally
from adapter.errors import CaptionError


@dataclass(frozen=True)
class Ended:
    """A worker's run has ended; `error` says why it did so early, None where nothing went wrong."""

    error: CaptionError | None = None


@dataclass(frozen=True)
class News:
    """What has happened since the worker was last asked, on the machine called `host`.

    `counts` are of texts by their shards' names. With `wants` it has no more to read, and waits for a shard.
    """

    host: str
    counts: dict[str, Tally] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    wants: bool = False
    ended: Ended | None = None


class Bulletin:
    """Collects what happens in a worker's run until somebody asks. Belongs to the loop that runs."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._names: dict[str, None] = {}  # of the shards that were handed over, the latest one last
        self._counts: dict[str, Tally] = {}
        self._events: list[Event] = []
        self._wants = False
        self._ended: Ended | None = None
        self._urgent = asyncio.Event()

    def begin(self, shard: str) -> None:
        """Notes that the shard of that name was handed over."""
        self._names[shard] = None
        self._wants = False

    def take(self, event: Event) -> None:
        """Takes an event of the run."""
        if isinstance(event, TextWritten | TextSkipped | TextEdited):
            self._counts.setdefault(shard_of(event.image, self._names), Tally()).take(event)
        else:
            self._events.append(event)
            if isinstance(event, CaptioningBegan | ShardDone):
                self._urgent.set()  # a clock starts with the first, and perhaps ends with the last

    def ask(self) -> None:
        """Notes that another shard is wanted. For any thread."""

        def want() -> None:
            self._wants = True
            self._urgent.set()

        self._loop.call_soon_threadsafe(want)

    def end(self, ended: Ended) -> None:
        """Notes that the run has ended."""
        self._ended = ended
        self._urgent.set()

    async def news(self, within_s: float) -> News:
        """Gives what there is after `within_s` seconds, or at once: where a shard is wanted, or has ended."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._urgent.wait()
        self._urgent.clear()
        news = News(self._host, self._counts, self._events, self._wants, self._ended)
        self._counts, self._events = {}, []
        return news


def shard_of(image: str, shards: dict[str, None]) -> str:
    """Gives the shard that an image, or the shard itself, is called by; empty where it is none of them."""
    found = [name for name in shards if image == name or image.startswith(f"{name}: ")]
    return max(found, key=len, default="")
