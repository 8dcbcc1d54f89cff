"""A place at one of several engines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from adapter.engine.deployment import fleet_for
from adapter.engine.fleet import Fleet, running
from adapter.engine.seat import taken
from adapter.errors import EngineNotReadyError
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine


@pytest.fixture
async def pair() -> AsyncIterator[tuple[FakeEngine, FakeEngine, Fleet]]:
    """Gives two fake engines, and the fleet of both, which are ready."""
    async with contextlib.AsyncExitStack() as stack, asyncio.timeout(60):
        engines, urls = [], []
        for _ in range(2):
            engine = FakeEngine()
            server = await engine.start()
            stack.push_async_callback(server.close)
            engines.append(engine)
            urls.append(str(server.make_url("")))
        fleet = await stack.enter_async_context(
            running(fleet_for(RunSettings(engine_url=",".join(urls)), ""))
        )
        while fleet.ready_count < 2:
            await fleet.changed()
        yield engines[0], engines[1], fleet


async def test_taken_counts_at_the_engine_while_it_lasts(pair: tuple[FakeEngine, FakeEngine, Fleet]) -> None:
    """Several of them are spread over the engines, and each stays at its own."""
    _, _, fleet = pair
    async with taken(fleet) as one, taken(fleet) as two:
        assert one.endpoint is not two.endpoint
        assert (one.endpoint.in_flight, two.endpoint.in_flight) == (1, 1)
        assert not await one.is_lost()
    assert (one.endpoint.in_flight, two.endpoint.in_flight) == (0, 0)


async def test_move_goes_to_an_engine_that_is_there(pair: tuple[FakeEngine, FakeEngine, Fleet]) -> None:
    """The place at the lost one is given up."""
    first, second, fleet = pair
    async with taken(fleet) as seat:
        lost = seat.endpoint
        at_first = fleet.engines[0].endpoint is lost
        (first if at_first else second).healthy = False
        assert await seat.is_lost()
        await seat.move()
        assert seat.endpoint is fleet.engines[1 if at_first else 0].endpoint
        assert (lost.in_flight, seat.endpoint.in_flight) == (0, 1)
        (second if at_first else first).healthy = False
        assert await seat.is_lost()
        with pytest.raises(EngineNotReadyError):
            await seat.move()
