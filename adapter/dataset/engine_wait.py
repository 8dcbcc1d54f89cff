"""A run's patience with its engine: waiting while it is away, saying so once, and giving up in the end."""

import asyncio
import time
from collections.abc import Callable

from adapter.engine.launcher import Engine
from adapter.errors import EngineError

POLL_S = 0.5


class EngineGoneError(EngineError):
    """The engine went away, or never came, and the run's patience is at its end."""


class EngineWait:
    """Waits for `engine`, `patience_s` at most once it was there; `notice` tells people about it."""

    def __init__(self, engine: Engine, patience_s: float, notice: Callable[[str], None]) -> None:
        self._engine = engine
        self._patience_s = patience_s
        self._notice = notice
        self._away_since: float | None = None
        self._told = ""
        self._was_here = False
        self._answered = False

    async def until_ready(self) -> None:
        """Raises EngineGoneError when it can't be had, or won't be in time.

        An engine that is on its way for the first time has all the time that it makes progress in: it may be
        downloading its model.
        """
        if self._away_since is None:
            self._away_since = time.monotonic()
            if self._was_here:
                self._notice("The engine doesn't answer: the run waits for it")
        if self._was_here:
            await asyncio.sleep(POLL_S)  # it may not be known yet that it's gone
        while not self._engine.ready:
            self._tell()
            if self._engine.ended:
                raise EngineGoneError(f"The engine can't be had: {self._engine.progress.message}")
            self._check_patience()
            await asyncio.sleep(POLL_S)
        self._check_patience()
        self._was_here = True

    def here(self) -> float:
        """It answered: gives the seconds that it was away since it last did, 0 when it was there."""
        away_s = 0.0
        if self._away_since is not None and self._answered:
            away_s = time.monotonic() - self._away_since
            self._notice(f"The engine is back after {away_s:.0f} s")
        self._away_since = None
        self._answered = True
        return away_s

    def _tell(self) -> None:
        message = self._engine.progress.message
        if message != self._told:
            self._told = message
            self._notice(f"Engine: {message}")
            if not self._was_here:
                self._away_since = time.monotonic()

    def _check_patience(self) -> None:
        if self._away_since is None:
            return  # it answered somebody else meanwhile
        if time.monotonic() - self._away_since > self._patience_s:
            raise EngineGoneError(
                f"The engine was away for {self._patience_s:.0f} s. "
                "The same command goes on where this run was"
            )
