"""A run's patience with its engine."""

import pytest

from adapter.dataset import patience
from adapter.dataset.events import EngineAway, EngineBack, EngineProgressed, Event
from adapter.dataset.patience import Patience
from adapter.engine.fleet import fleet_for, running
from adapter.errors import EngineGoneError
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine


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


async def test_until_ready_gives_the_endpoint_of_an_engine_that_comes() -> None:
    """An engine that is on its way has more time than the limit, as long as it says something new."""
    fake = FakeEngine()
    server = await fake.start()
    async with running(fleet_for(RunSettings.load({"engine_url": str(server.make_url(""))}), "")) as fleet:
        endpoint = await Patience(fleet, 600, lambda event: None).until_ready()
        assert endpoint.model == "fake"
    await server.close()


async def test_end_tells_how_long_the_engine_was_away() -> None:
    """That is told once, by the first answer after it; before the first answer of all it was on its way."""
    events: list[Event] = []
    fake = FakeEngine()
    server = await fake.start()
    async with running(fleet_for(RunSettings.load({"engine_url": str(server.make_url(""))}), "")) as fleet:
        waiting = Patience(fleet, 600, events.append)
        await waiting.until_ready()
        waiting.end()
        assert not any(isinstance(event, EngineBack) for event in events)
        await waiting.until_ready()  # somebody got no answer
        waiting.end()
        waiting.end()
    await server.close()
    assert sum(isinstance(event, EngineAway) for event in events) == 1
    (back,) = (event for event in events if isinstance(event, EngineBack))
    assert back.away_s >= patience.BREATHER_S
