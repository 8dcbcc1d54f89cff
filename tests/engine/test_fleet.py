"""Which engine is asked, and waiting for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapter.engine.client import EngineClient
from adapter.engine.endpoint import Endpoint
from adapter.engine.fleet import Fleet, fleet_for, running
from adapter.engine.progress import Progress
from adapter.engine.status import Status, WatchedStatus
from adapter.errors import EngineNotReadyError
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine


class SteeredEngine:
    """An engine that is as the test says."""

    def __init__(self, endpoint: Endpoint, error: Exception | None = None) -> None:
        self.status = WatchedStatus()
        self.endpoint: Endpoint | None = None
        self.ended = False
        self._endpoint = endpoint
        self._error = error

    async def run(self) -> None:
        if self._error is not None:
            raise self._error
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return endpoint is not self.endpoint

    def become(self, status: Status) -> None:
        self.endpoint = self._endpoint if status.ready else None
        self.status.set(status)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """Gives an endpoint that nobody asks."""
    client = EngineClient("http://127.0.0.1:1", 1.0)
    yield Endpoint(client, "fake", "fake")
    await client.close()


async def test_endpoint_of_an_engine_that_is_ready_is_given_at_once(endpoint: Endpoint) -> None:
    """It may be asked whether that engine is lost."""
    engine = SteeredEngine(endpoint)
    fleet = Fleet(engine)
    engine.become(Status("ready"))
    assert await fleet.endpoint() is endpoint
    assert not await fleet.is_lost(endpoint)
    engine.become(Status("restarting"))
    assert await fleet.is_lost(endpoint)


@pytest.mark.parametrize("state", ["starting", "failed"])
async def test_endpoint_of_an_engine_that_will_not_be_back_is_not_waited_for(
    endpoint: Endpoint, state: str
) -> None:
    """One that never was ready may take very long, and one that failed never comes back."""
    engine = SteeredEngine(endpoint)
    engine.become(Status(state, Progress(message="Installing")))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        with pytest.raises(EngineNotReadyError, match="The engine isn't ready: Installing"):
            await Fleet(engine).endpoint(3600.0)


async def test_endpoint_of_an_engine_that_restarts_is_waited_for(endpoint: Endpoint) -> None:
    """All who wait get it once it is ready, and nobody who can't wait does."""
    engine = SteeredEngine(endpoint)
    fleet = Fleet(engine)
    engine.become(Status("restarting", Progress(message="Starting again")))
    with pytest.raises(EngineNotReadyError, match="Starting again"):
        await fleet.endpoint(0)
    with pytest.raises(EngineNotReadyError, match="Starting again"):
        await fleet.endpoint(0.01)
    waiting = [asyncio.create_task(fleet.endpoint(3600.0)) for _ in range(3)]
    await asyncio.sleep(0)  # they wait now
    engine.become(Status("restarting", Progress(message="Loading")))
    engine.become(Status("ready"))
    async with asyncio.timeout(20):
        assert await asyncio.gather(*waiting) == [endpoint] * 3


async def test_endpoint_of_an_engine_that_fails_meanwhile_is_given_up(endpoint: Endpoint) -> None:
    """Nobody waits to the end of his time for what can't come back."""
    engine = SteeredEngine(endpoint)
    engine.become(Status("restarting"))
    waiting = asyncio.create_task(Fleet(engine).endpoint(3600.0))
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("failed", Progress(message="Out of memory")))
    async with asyncio.timeout(20):
        with pytest.raises(EngineNotReadyError, match="Out of memory"):
            await waiting


async def test_until_ready_returns_for_an_engine_that_failed_too(endpoint: Endpoint) -> None:
    """Whoever waits for the first start has to learn that it came to nothing."""
    engine = SteeredEngine(endpoint)
    waiting = asyncio.create_task(Fleet(engine).until_ready())
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("failed"))
    async with asyncio.timeout(20):
        assert (await waiting).state == "failed"


async def test_changed_gives_the_status_after_the_next_change(endpoint: Endpoint) -> None:
    """Displays follow an engine by it."""
    engine = SteeredEngine(endpoint)
    waiting = asyncio.create_task(Fleet(engine).changed())
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("starting", Progress(message="Loading")))
    async with asyncio.timeout(20):
        assert (await waiting).progress.message == "Loading"


async def test_running_ends_the_engine_with_the_context(endpoint: Endpoint) -> None:
    """The engine has put everything away by then."""
    engine = SteeredEngine(endpoint)
    async with running(Fleet(engine)):
        await asyncio.sleep(0)  # it runs now
        assert not engine.ended
    assert engine.ended


async def test_running_of_an_engine_with_a_bug_raises_it(endpoint: Endpoint) -> None:
    """What nobody foresaw isn't lost with the task that it ended."""
    engine = SteeredEngine(endpoint, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        async with running(Fleet(engine)):
            await asyncio.sleep(0)  # it ends now


async def test_fleet_for_a_url_finds_the_engine_there(served: tuple[FakeEngine, str]) -> None:
    """It is checked with the system prompt of the service, since its reference isn't known."""
    fake, url = served
    async with (
        asyncio.timeout(20),
        running(fleet_for(RunSettings.load({"engine_url": url}), "You are.")) as fleet,
    ):
        assert (await fleet.until_ready()).ready
        assert (await fleet.endpoint()).model == "fake"
    assert {body["messages"][0]["content"] for body in fake.asked} == {"You are."}
