"""All engines together: which one to ask, which one is lost, and waiting for one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from adapter.engine.endpoint import Endpoint, Engine
from adapter.engine.owned import OwnedEngine
from adapter.engine.remote import RemoteEngine
from adapter.engine.selfcheck import Probe
from adapter.engine.status import Status
from adapter.engine.template import PROBE_PROMPT
from adapter.errors import EngineNotReadyError
from adapter.settings import RunSettings


class Fleet:
    """The engine that answers requests. It is the place for several of them.

    `run` lives as long as the service or the run; everything else may be read at any time.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def status(self) -> Status:
        """How the engine is."""
        return self._engine.status.value

    async def run(self) -> None:
        """Keeps the engine going until cancelled, or until it is gone for good."""
        await self._engine.run()

    async def changed(self) -> Status:
        """Waits for the next change of the status, and gives it."""
        return await self._engine.status.change()

    async def until_ready(self) -> Status:
        """Waits until the engine is ready, or gone for good, and gives its status."""
        return await self._engine.status.until(lambda status: status.state in ("ready", "failed"))

    async def endpoint(self, wait_s: float = 0.0) -> Endpoint:
        """Gives the endpoint to ask, after up to `wait_s` for an engine that was ready and may be so again.

        Raises EngineNotReadyError.
        """
        if self.status.state == "restarting" and wait_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.until_ready(), wait_s)
        endpoint = self._engine.endpoint
        if endpoint is None:
            raise EngineNotReadyError(f"The engine isn't ready: {self.status.progress.message}")
        return endpoint

    async def is_lost(self, endpoint: Endpoint) -> bool:
        """Tells whether the engine behind `endpoint` is gone; to be asked when a request to it has failed."""
        return await self._engine.is_lost(endpoint)


def fleet_for(settings: RunSettings, system_prompt: str) -> Fleet:
    """Gives the engine at `engine_url`, or else one of our own.

    An engine that others started is checked with `system_prompt`: what its tokens should be isn't known.
    """
    if settings.engine_url:
        return Fleet(RemoteEngine(settings.engine_url, Probe(system_prompt, PROBE_PROMPT), settings))
    return Fleet(OwnedEngine(settings))


@contextlib.asynccontextmanager
async def running(fleet: Fleet) -> AsyncIterator[Fleet]:
    """Keeps the fleet going while the context lasts. Raises what `run` raised, which can only be a bug."""
    task = asyncio.create_task(fleet.run())
    try:
        yield fleet
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
