"""How many images are under way."""

import asyncio

import pytest

from adapter.dataset.pace import MIN_UNDER_WAY, Pace
from adapter.engine.deployment import fleet_for
from adapter.engine.fleet import running
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine


def fill(pace: Pace) -> None:
    while pace.has_room:
        pace.begin_one()


def test_it_grows_while_nothing_waits_and_shrinks_when_much_does() -> None:
    """It stays between the minimum and the cap."""
    pace = Pace(cap=200)
    assert pace.limit == MIN_UNDER_WAY
    for _ in range(20):
        fill(pace)
        pace.observe(running=pace.limit, waiting=0)
    assert pace.limit == 200
    pace.observe(running=100, waiting=20)
    assert pace.limit == 200
    for _ in range(60):
        pace.observe(running=10, waiting=150)
    assert pace.limit == MIN_UNDER_WAY


def test_it_does_not_grow_while_there_is_room() -> None:
    """The engine is idle for want of images, not of room for them."""
    pace = Pace(cap=200)
    pace.observe(running=3, waiting=0)
    assert pace.limit == MIN_UNDER_WAY


def test_a_fixed_one_stays() -> None:
    """It does so whatever the engine says."""
    pace = Pace(cap=200, fixed=5)
    fill(pace)
    pace.observe(running=5, waiting=0)
    assert pace.limit == pace.under_way == 5


async def test_room_is_waited_for() -> None:
    """There is room when one ends, or when the limit grows."""
    pace = Pace(cap=10, fixed=1)
    await pace.wait_for_room()
    pace.begin_one()
    waiting = asyncio.create_task(pace.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    pace.end_one()
    await asyncio.wait_for(waiting, 1)


async def test_following_makes_room_once_an_engine_has_nothing_waiting(
    engine: tuple[FakeEngine, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While there is no engine the limit stays, and it is asked again."""
    monkeypatch.setattr("adapter.dataset.pace.OBSERVE_S", 0.001)
    fake, url = engine
    fake.metrics = "vllm:num_requests_running 64\nvllm:num_requests_waiting 0\n"
    fleet = fleet_for(RunSettings.load({"engine_url": url}), "")
    pace = Pace(cap=1000)
    fill(pace)
    async with asyncio.timeout(20), pace.following(fleet), running(fleet):
        await pace.wait_for_room()
    assert pace.limit > MIN_UNDER_WAY
