"""A run's patience with its engine."""

import asyncio
import math

import pytest

from adapter.dataset import patience
from adapter.dataset.events import EngineAway, EngineBack, EngineProgressed, Event
from adapter.dataset.patience import Patience
from adapter.engine.deployment import fleet_for
from adapter.engine.fleet import running
from adapter.errors import EngineGoneError
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine
from tests.waiting import until


async def test_until_ready_ends_at_once_where_the_engine_can_not_start() -> None:
    """The error has the engine's reason, and so has the last event."""
    events: list[Event] = []
    async with running(fleet_for(RunSettings.load({"engine_python": "/bin/false"}), "")) as fleet:
        with pytest.raises(EngineGoneError, match="which has no vLLM"):
            await Patience(fleet, 600, events.append).until_ready()
    assert isinstance(events[-1], EngineProgressed)
    assert "which has no vLLM" in events[-1].message


async def test_until_ready_ends_where_the_engine_makes_no_progress() -> None:
    """The run's limit holds for an engine that never answers, too."""
    async with running(fleet_for(RunSettings.load({"engine_url": "http://127.0.0.1:1"}), "")) as fleet:
        with pytest.raises(EngineGoneError, match="goes on where this run was"):
            await Patience(fleet, 0.3, lambda event: None).until_ready()


async def test_until_ready_gives_the_endpoint_of_an_engine_that_comes(engine: tuple[FakeEngine, str]) -> None:
    """An engine that is on its way has more time than the limit, as long as it says something new."""
    async with running(fleet_for(RunSettings.load({"engine_url": engine[1]}), "")) as fleet:
        endpoint = await Patience(fleet, 600, lambda event: None).until_ready()
        assert endpoint.model == "fake"


async def test_end_tells_how_long_the_engine_was_away(engine: tuple[FakeEngine, str]) -> None:
    """That is told once, by the first answer after it; before the first answer of all it was on its way."""
    events: list[Event] = []
    async with running(fleet_for(RunSettings.load({"engine_url": engine[1]}), "")) as fleet:
        waiting = Patience(fleet, 600, events.append)
        await waiting.until_ready()
        waiting.end()
        assert not any(isinstance(event, EngineBack) for event in events)
        await waiting.until_ready()  # somebody got no answer
        waiting.end()
        waiting.end()
    assert events.count(EngineAway()) == 1
    (back,) = (event for event in events if isinstance(event, EngineBack))
    assert back.away_s >= patience.BREATHER_S


async def test_until_ready_ends_after_the_last_answer_of_others_too(engine: tuple[FakeEngine, str]) -> None:
    """Somebody's request may still be answered by an engine that counts as away, and never comes back."""
    fake, url = engine
    events: list[Event] = []
    async with running(fleet_for(RunSettings.load({"engine_url": url}), "")) as fleet:
        waiting = Patience(fleet, 0.6, events.append)
        endpoint = await waiting.until_ready()
        fake.healthy = False
        assert await fleet.is_lost(endpoint)
        async with asyncio.timeout(20):
            gone = asyncio.create_task(waiting.until_ready())
            await until(lambda: EngineAway() in events)
            waiting.end()  # somebody's answer
            with pytest.raises(EngineGoneError):
                await gone
    assert events.count(EngineAway()) == 2


@pytest.mark.parametrize("limit_s", [math.inf, 1e30])
async def test_until_ready_takes_any_limit(engine: tuple[FakeEngine, str], limit_s: float) -> None:
    """`--engine-patience inf` waits for ever."""
    fake, url = engine
    fake.healthy = False
    async with running(fleet_for(RunSettings.load({"engine_url": url}), "")) as fleet:
        waiting = asyncio.create_task(Patience(fleet, limit_s, lambda event: None).until_ready())
        await asyncio.sleep(0)  # it waits now
        fake.healthy = True
        assert (await waiting).model == "fake"


async def test_the_limit_counts_from_when_the_engine_has_come(engine: tuple[FakeEngine, str]) -> None:
    """Loading may take longer than the time for which the run waits for a lost engine."""
    async with running(fleet_for(RunSettings.load({"engine_url": engine[1]}), "")) as fleet:
        events: list[Event] = []
        waiting = Patience(fleet, 600, events.append)
        await waiting.until_ready()
        assert not any(isinstance(event, EngineAway) for event in events)
        await waiting.until_ready()  # the very first request got no answer
        assert events[-1] == EngineAway()
