"""An engine that others start and look after."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from adapter.engine.remote import RemoteEngine
from adapter.engine.selfcheck import Probe
from adapter.engine.status import Status
from adapter.engine_settings import EngineSettings
from tests.fake_engine import FakeEngine


@contextlib.asynccontextmanager
async def found(url: str, **settings: float) -> AsyncIterator[RemoteEngine]:
    """Runs the engine at `url` while the context lasts."""
    engine = RemoteEngine(url, Probe("You are.", "Say."), EngineSettings.load(settings))
    running = asyncio.create_task(engine.run(lambda served: served.id))
    try:
        async with asyncio.timeout(20):
            yield engine
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def is_ready(status: Status) -> bool:
    return status.ready


async def test_run_of_an_engine_that_is_not_healthy_yet_waits_for_it(served: tuple[FakeEngine, str]) -> None:
    """However long it takes, it is ready once it is healthy; afterwards it is gone for good."""
    fake, url = served
    fake.healthy = False
    async with found(url) as engine:
        await asyncio.sleep(0)  # it is followed now
        assert engine.status.value.state == "starting"
        assert engine.endpoint is None
        fake.healthy = True
        await engine.status.until(is_ready)
        endpoint = engine.endpoint
        assert endpoint is not None
        assert endpoint.model == "fake"
        assert not await engine.is_lost(endpoint)
    assert engine.status.value.state == "failed"
    assert engine.endpoint is None
    assert await engine.is_lost(endpoint)


async def test_run_after_a_failed_check_checks_again(served: tuple[FakeEngine, str]) -> None:
    """A passing fault isn't the end, however often it was found."""
    fake, url = served
    fake.tokens = [1, 2, 3]
    async with found(url) as engine:
        failed = await engine.status.until(lambda status: status.trusted is False)
        assert "no image tokens" in failed.progress.message
        assert failed.progress.status == "error"
        fake.tokens = [1, 7, 7, 2]
        ready = await engine.status.until(is_ready)
        assert ready.trusted is True


async def test_run_of_an_engine_that_goes_away_waits_until_it_is_back(served: tuple[FakeEngine, str]) -> None:
    """Others start it again, and it is checked anew."""
    fake, url = served
    async with found(url, engine_silence_s=1.0) as engine:
        await engine.status.until(is_ready)
        checks = len(fake.asked)
        fake.healthy = False
        away = await engine.status.until(lambda status: status.state == "restarting")
        assert away.progress.message == "The engine hasn't answered for 1 s"
        assert engine.endpoint is None
        fake.healthy = True
        await engine.status.until(is_ready)
        assert len(fake.asked) == 2 * checks
