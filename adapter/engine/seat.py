"""A place at one of the engines, for all requests about one image."""

import contextlib
from collections.abc import AsyncIterator

from adapter.engine.endpoint import Endpoint
from adapter.engine.fleet import Fleet


class Seat:
    """A place that somebody has at an engine, made by `taken`. It changes to another engine on request."""

    def __init__(self, fleet: Fleet, wait_s: float, held: contextlib.ExitStack) -> None:
        self._fleet = fleet
        self._wait_s = wait_s
        self._held = held
        self._endpoint: Endpoint | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where to ask."""
        assert self._endpoint is not None
        return self._endpoint

    async def is_lost(self) -> bool:
        """Tells whether the engine is gone; to be asked when a request to it has failed."""
        return await self._fleet.is_lost(self.endpoint)

    async def move(self) -> None:
        """Takes the best place there is now, or will soon be. Raises EngineNotReadyError."""
        self._held.close()
        self._endpoint = await self._fleet.endpoint(self._wait_s, outlasts_restarts=self._wait_s > 0)
        self._held.enter_context(self._endpoint.held())


@contextlib.asynccontextmanager
async def taken(fleet: Fleet, wait_s: float = 0.0) -> AsyncIterator[Seat]:
    """Takes a place at one of the engines, and gives it up with the context.

    Waits up to `wait_s` for an engine that may come back, each time, and for one of our own that is being
    started again until it is ready or given up; for neither where that is 0. Raises EngineNotReadyError.
    """
    with contextlib.ExitStack() as held:
        seat = Seat(fleet, wait_s, held)
        await seat.move()
        yield seat
