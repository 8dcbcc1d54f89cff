"""All engines together: which one to ask, which one is lost, and waiting for one."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

from adapter.engine.client import ServedModel
from adapter.engine.endpoint import Endpoint, Engine
from adapter.engine.load import Load
from adapter.engine.status import Status, Watched, together
from adapter.errors import CaptionError, EngineNotReadyError, SelfCheckError


class Fleet:
    """The engines that answer requests, all of which serve one model.

    `run` lives as long as the service or the run; everything else may be read at any time.
    """

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = tuple(engines)
        self._statuses = Watched(self._current())
        for engine in self.engines:
            engine.status.listen(lambda: self._statuses.set(self._current()))

    @property
    def status(self) -> Status:
        """The status of all engines together, which is that of the most advanced one."""
        return together({engine.identity.name: engine.status.shown() for engine in self.engines})

    @property
    def ready_count(self) -> int:
        """The number of engines that can be asked."""
        return sum(status.ready for status in self._statuses.value)

    def expects_captions(self, wait_s: float) -> bool:
        """Tells whether a request can expect a caption.

        It can from an engine that is ready, asleep or waking, from one of our own that is being started
        again, and from another that has been away for less than the `wait_s` for which requests are held.
        """
        return self.restarts_own or any(
            status.ready
            or status.state == "asleep"
            or status.waking
            or (status.state == "restarting" and time.monotonic() - engine.status.since_s < wait_s)
            for engine, status in zip(self.engines, self._statuses.value, strict=True)
        )

    @property
    def restarts_own(self) -> bool:
        """Whether an engine of our own is being started again: it will be ready, or given up."""
        return any(engine.identity.url is None and engine.status.value.expected for engine in self.engines)

    def listen(self, listener: Callable[[], None]) -> None:
        """Has `listener` called after each change of any engine's status."""
        self._statuses.listen(listener)

    async def run(self) -> None:
        """Keeps the engines going until cancelled, or until all of them are gone for good."""
        try:
            async with asyncio.TaskGroup() as group:
                for engine in self.engines:
                    group.create_task(engine.run(self._accept))
        except ExceptionGroup as bugs:
            raise bugs.exceptions[0] from None

    async def changed(self) -> Status:
        """Waits for the next change of the status, and gives it."""
        await self._statuses.change()
        return self.status

    async def until_ready(self) -> Status:
        """Waits until an engine is ready, or all are gone for good, and gives the status."""
        await self._statuses.until(lambda _: self.status.state in ("ready", "failed"))
        return self.status

    async def endpoint(self, wait_s: float = 0.0, *, outlasts_restarts: bool = False) -> Endpoint:
        """Gives the ready engine with the fewest requests, after up to `wait_s` for one that may come back.

        With `outlasts_restarts` an engine of our own that is being started again is waited for until it is
        ready or given up. Wakes engines that are asleep. Raises EngineNotReadyError.
        """
        self.wake()
        if not self.ready_count and wait_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._statuses.until(
                        lambda all: any(one.ready for one in all) or not any(one.expected for one in all)
                    )
        if outlasts_restarts:
            await self._statuses.until(lambda all: any(one.ready for one in all) or not self.restarts_own)
        ready = [engine.endpoint for engine in self.engines if engine.endpoint is not None]
        if not ready:
            raise EngineNotReadyError(f"The engine isn't ready: {self.status.progress.message}")
        return min(ready, key=lambda endpoint: (endpoint.in_flight, endpoint.holds))

    async def is_lost(self, endpoint: Endpoint) -> bool:
        """Tells whether the engine behind `endpoint` is gone; to be asked when a request to it has failed."""
        for engine in self.engines:
            if engine.endpoint is endpoint:
                return await engine.is_lost(endpoint)
        return True

    async def load(self) -> Load | None:
        """Asks the engines that are ready how busy they are, together; None where none of them tells."""
        endpoints = [engine.endpoint for engine in self.engines if engine.endpoint is not None]
        told = await asyncio.gather(*(_load(endpoint) for endpoint in endpoints))
        loads = [load for load in told if load is not None]
        if not loads:
            return None
        return Load(
            sum(load.running for load in loads),
            sum(load.waiting for load in loads),
            sum(load.generated_tokens for load in loads),
        )

    @property
    def may_sleep(self) -> bool:
        """Whether any of the engines is there, and ours to end."""
        return any(engine.may_sleep for engine in self.engines)

    def wake(self) -> None:
        """Starts the engines that are asleep."""
        for engine in self.engines:
            engine.wake()

    async def sleep(self) -> bool:
        """Ends the engines until `wake`, and tells whether it did: not where others look after them.

        Returns once their memory is free.
        """
        return any(await asyncio.gather(*(engine.sleep() for engine in self.engines)))

    def _accept(self, served: ServedModel) -> str:
        """Gives what a model's weights are called. Raises SelfCheckError where others serve another model.

        Each may have it in a folder of its own, so only the last part of its path counts.
        """
        weights = served.root or served.id
        others = [engine.endpoint.weights for engine in self.engines if engine.endpoint is not None]
        if not others:
            return weights
        if _last_part(weights) != _last_part(others[0]):
            raise SelfCheckError(f"It serves {weights}, and the other engines serve {others[0]}")
        return others[0]

    def _current(self) -> tuple[Status, ...]:
        return tuple(engine.status.value for engine in self.engines)


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


async def _load(endpoint: Endpoint) -> Load | None:
    try:
        return await endpoint.client.load()
    except CaptionError:
        return None


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
