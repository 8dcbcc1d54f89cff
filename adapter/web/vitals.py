"""How the engines are, in one object that a page can show: state, progress, and how much they do."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

from adapter.captioner.answering import Captioner
from adapter.engine.fleet import Fleet
from adapter.engine.progress import Progress
from adapter.engine.status import Watched

LOOK_S = 1.0


class Vitals:
    """Looks at the engines once a second and at each change of theirs while `run` runs.

    How much they do is asked only while somebody watches; it is 0 otherwise.
    """

    def __init__(self, fleet: Fleet, captioner: Captioner) -> None:
        self._fleet = fleet
        self._captioner = captioner
        self._watching = 0
        self._has_ended = False
        self._images_per_s = self._tokens_per_s = 0.0
        self._seen: tuple[float, int, int] | None = None  # when, and how much was done by then
        self._state = Watched(self._now())

    @property
    def state(self) -> dict[str, Any]:
        """What was seen last."""
        return self._state.value

    async def watch(self) -> AsyncGenerator[dict[str, Any]]:
        """Yields what is seen: now, and whenever it has changed, until `end`."""
        self._watching += 1
        try:
            shown = None
            while not self._has_ended:
                if self.state == shown:
                    await self._state.change()
                else:
                    shown = self.state
                    yield shown
        finally:
            self._watching -= 1

    async def progress(self, wait_s: float) -> Progress:
        """Gives how far the engines are.

        While they are on their way that takes up to `wait_s`, but ends once they do something else, such as
        loading after downloading, and with `end`.
        """
        first = self._fleet.status.progress
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self._has_ended and self._is_at(first.status):
                    await self._state.change()
        return self._fleet.status.progress

    def _is_at(self, doing: str) -> bool:
        """Tells whether the engines are on their way, and still at that."""
        status = self._fleet.status
        return status.state in ("starting", "restarting") and status.progress.status == doing

    def end(self) -> None:
        """Lets nobody watch any more: the service ends, and shouldn't wait for them."""
        self._has_ended = True
        self._state.set({})

    async def run(self) -> None:
        """Looks again and again, until `end` or cancelled."""
        while not self._has_ended:
            await self._measure()
            self._state.set(self._now())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._fleet.changed()

    async def _measure(self) -> None:
        load = await self._fleet.load() if self._watching else None
        if load is None:
            self._images_per_s, self._tokens_per_s, self._seen = 0.0, 0.0, None
            return
        now = (time.monotonic(), self._captioner.captions_made, load.generated_tokens)
        if self._seen is not None and now[0] - self._seen[0] < LOOK_S / 2:
            return  # too short for a rate
        if self._seen is not None:
            passed_s = now[0] - self._seen[0]
            self._images_per_s = round(max(0, now[1] - self._seen[1]) / passed_s, 1)
            self._tokens_per_s = round(max(0, now[2] - self._seen[2]) / passed_s, 1)
        self._seen = now

    def _now(self) -> dict[str, Any]:
        status = self._fleet.status
        return {
            "state": status.state,
            "message": status.progress.message,
            "progress": status.progress.progress,
            "in_flight": self._captioner.admission.in_flight,
            "waiting": self._captioner.admission.waiting,
            "may_release": self._fleet.may_sleep,
            "images_per_s": self._images_per_s,
            "tokens_per_s": self._tokens_per_s,
        }
