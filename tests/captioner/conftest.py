"""An engine that is ready, and what answers by it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.engine.deployment import fleet_for
from adapter.engine.fleet import Fleet, running
from adapter.images.preparation import Preparation
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine

MAX_IN_FLIGHT = 4
MAX_QUEUE = 6
PATIENCE_S = 20.0


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeEngine, str]]:
    """Starts a fake engine, and gives it with its URL."""
    engine = FakeEngine()
    server = await engine.start()
    yield engine, str(server.make_url(""))
    await server.close()


@pytest.fixture
async def engine(fake: tuple[FakeEngine, str]) -> FakeEngine:
    """Gives the fake engine."""
    return fake[0]


@pytest.fixture
async def fleet(fake: tuple[FakeEngine, str]) -> AsyncIterator[Fleet]:
    """Gives the fleet of the fake engine, which is ready and was asked for nothing since."""
    engine, url = fake
    async with running(fleet_for(RunSettings(engine_url=url), "You are.")) as fleet:
        async with asyncio.timeout(20):
            await fleet.until_ready()
        engine.asked.clear()
        engine.most_under_way = 0
        yield fleet


@pytest.fixture
async def captioner(fleet: Fleet) -> AsyncIterator[Captioner]:
    """Gives a captioner that answers by the fake engine, four images at one time and six waiting."""
    preparation = Preparation(RunSettings(prepare_workers=1))
    captioner = Captioner(
        fleet,
        preparation,
        Admission(lambda: MAX_IN_FLIGHT, MAX_QUEUE),
        engine_wait_s=0.3,
        patience_s=PATIENCE_S,
    )
    yield captioner
    await captioner.drain(0)
