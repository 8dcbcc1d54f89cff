"""A run's patience with its engine: it waits while the engine is away, and gives up in the end."""

import asyncio
import contextlib
import time

from adapter.dataset.events import Emit, EngineAway, EngineBack, EngineProgressed
from adapter.engine.endpoint import Endpoint
from adapter.engine.fleet import Fleet
from adapter.errors import EngineGoneError

# Before an engine that has just failed is asked again: it may not be known yet that it is gone.
BREATHER_S = 0.5


class Patience:
    """Waits for the engine, up to `limit_s` once it was there, and tells what it sees."""

    def __init__(self, fleet: Fleet, limit_s: float, emit: Emit) -> None:
        self._fleet = fleet
        self._limit_s = limit_s
        self._emit = emit
        self._away_since: float | None = None
        self._told = ""
        self._was_ready = False

    async def until_ready(self) -> Endpoint:
        """Waits until the engine is ready, and gives its endpoint.

        An engine that is on its way for the first time has all the time in which it makes progress: it may be
        downloading its model. Raises EngineGoneError where the engine won't be ready, or not in time.
        """
        self._note_away()
        if self._was_ready:
            await asyncio.sleep(BREATHER_S)
        while not self._fleet.status.ready:
            self._note_away()  # somebody else may have had an answer meanwhile, its last one
            self._tell_progress()
            if self._fleet.status.state == "failed":
                raise EngineGoneError(f"There is no engine: {self._fleet.status.progress.message}")
            self._check()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._left_s()):
                    await self._fleet.changed()
        self._check()
        if not self._was_ready:
            self._was_ready, self._away_since = True, None  # it has come, and the limit counts from now on
        return await self._fleet.endpoint()

    def end(self) -> None:
        """Notes that the engine has answered."""
        if self._away_since is not None:
            self._emit(EngineBack(time.monotonic() - self._away_since))
        self._away_since = None

    def _note_away(self) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            if self._was_ready:
                self._emit(EngineAway())

    def _tell_progress(self) -> None:
        message = self._fleet.status.progress.message
        if message != self._told:
            self._told = message
            self._emit(EngineProgressed(message))
            if not self._was_ready:
                self._away_since = time.monotonic()

    def _left_s(self) -> float:
        """Gives what is left of the limit: all of it, where the engine answered somebody else meanwhile."""
        away_s = 0.0 if self._away_since is None else time.monotonic() - self._away_since
        return self._limit_s - away_s

    def _check(self) -> None:
        """Raises EngineGoneError where the engine was away for too long."""
        if self._away_since is not None and self._left_s() <= 0:
            raise EngineGoneError(
                f"The engine was away for {self._limit_s:.0f} s. The same command goes on where this run was"
            )
