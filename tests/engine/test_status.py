"""A value that can be awaited, and how an engine is."""

import asyncio
import functools
import re
from dataclasses import replace

import pytest

from adapter.engine.progress import Progress
from adapter.engine.status import Status, Watched, WatchedStatus, together


async def test_change_waits_for_the_next_change_and_wakes_every_waiter() -> None:
    """Each of them gets the value after the change, which was made once."""
    watched = Watched(1)
    waiting = [asyncio.create_task(watched.change()) for _ in range(5)]
    await asyncio.sleep(0)  # they wait now
    assert not any(task.done() for task in waiting)
    watched.set(2)
    async with asyncio.timeout(20):
        assert await asyncio.gather(*waiting) == [2] * 5


async def test_change_after_a_change_waits_for_another_one() -> None:
    """What changed before the waiter asked is no change to it."""
    watched = Watched(1)
    watched.set(2)
    waiting = asyncio.create_task(watched.change())
    await asyncio.sleep(0)  # it waits now
    assert not waiting.done()
    watched.set(3)
    async with asyncio.timeout(20):
        assert await waiting == 3


async def test_set_to_the_same_value_wakes_nobody() -> None:
    """Whoever waits for a change hears only of what is different."""
    watched = Watched(1)
    waiting = asyncio.create_task(watched.change())
    await asyncio.sleep(0)  # it waits now
    watched.set(1)
    await asyncio.sleep(0)  # it would be woken now
    await asyncio.sleep(0)  # and would be done now
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_until_a_condition_that_holds_returns_at_once() -> None:
    """Nothing has to change for it."""
    async with asyncio.timeout(20):
        assert await Watched(3).until(lambda value: value == 3) == 3


async def test_until_wakes_each_waiter_when_its_own_condition_holds() -> None:
    """Several wait for different values, and none of them asks again and again."""
    watched = Watched(0)
    asked: list[int] = []

    def at_least(bound: int, value: int) -> bool:
        asked.append(bound)
        return value >= bound

    waiting = {
        bound: asyncio.create_task(watched.until(functools.partial(at_least, bound))) for bound in (1, 2)
    }
    await asyncio.sleep(0)  # they wait now
    times_before = len(asked)
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(asked) == times_before, "nobody polls"
    watched.set(1)
    async with asyncio.timeout(20):
        assert await waiting[1] == 1
    assert not waiting[2].done()
    watched.set(5)
    async with asyncio.timeout(20):
        assert await waiting[2] == 5


async def test_until_a_condition_that_held_for_a_moment_goes_on_waiting() -> None:
    """The value counts as it is when the waiter is woken."""
    watched = Watched("away")
    waiting = asyncio.create_task(watched.until(lambda value: value == "ready"))
    await asyncio.sleep(0)  # it waits now
    watched.set("ready")
    watched.set("away")
    await asyncio.sleep(0)  # it is woken now
    await asyncio.sleep(0)
    assert not waiting.done()
    watched.set("ready")
    async with asyncio.timeout(20):
        assert await waiting == "ready"


async def test_until_that_is_given_up_disturbs_nobody_else() -> None:
    """A waiter whose time is over leaves the others waiting."""
    watched = Watched(1)
    other = asyncio.create_task(watched.change())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watched.until(lambda value: value == 2), 0.01)
    watched.set(2)
    async with asyncio.timeout(20):
        assert await other == 2


def test_shown_tells_only_once_that_the_engine_stopped() -> None:
    """Whatever it stopped of is said after how long it is away."""
    status = WatchedStatus()
    for message, shown in (("The engine stopped: the cause", "the cause"), ("Loading", "loading")):
        status.update(state="restarting", progress=replace(Progress(), message=message))
        told = status.shown().progress.message
        assert re.fullmatch(rf"The engine stopped and starts again \(\d+ s\): {shown}", told)


async def test_update_of_a_status_changes_only_these_parts() -> None:
    """Several parts change as one, so nobody sees half of it."""
    status = WatchedStatus()
    assert status.value == Status("starting", Progress(), trusted=None, starts=0)
    waiting = asyncio.create_task(status.change())
    await asyncio.sleep(0)  # it waits now
    status.update(state="ready", trusted=True)
    assert await waiting == Status("ready", Progress(), trusted=True, starts=0)
    status.update(starts=2)
    assert status.value == Status("ready", Progress(), trusted=True, starts=2)


@pytest.mark.parametrize(
    ("state", "ready"),
    [("starting", False), ("ready", True), ("restarting", False), ("asleep", False), ("failed", False)],
)
def test_ready_only_in_one_state(state: str, ready: bool) -> None:
    """Each other state means that there is no engine to ask."""
    assert Status(state).ready is ready  # type: ignore[arg-type]


def test_since_is_the_time_of_the_state_and_not_of_its_progress() -> None:
    """How long an engine is away is counted from its loss."""
    status = WatchedStatus()
    began = status.since_s
    status.update(progress=Progress(message="Loading"))
    assert status.since_s == began
    status.update(state="restarting")
    assert status.since_s > began


def test_expected_is_an_engine_that_is_on_its_way_back() -> None:
    """A first start may take very long."""
    assert Status("restarting").expected
    assert Status("starting", waking=True).expected
    assert not Status("starting").expected
    assert not Status("asleep").expected


def test_together_counts_all_starts() -> None:
    """Whoever wakes counts for all."""
    one, two = Status("ready", starts=1), Status("starting", starts=2, waking=True)
    whole = together({"engine-1": one, "engine-2": two})
    assert (whole.state, whole.starts, whole.waking) == ("ready", 3, True)
    assert together({"engine-1": two}) == two


def test_listen_is_told_of_each_change() -> None:
    """Others keep what follows from the value."""
    watched = Watched(1)
    seen: list[int] = []
    watched.listen(lambda: seen.append(watched.value))
    watched.set(2)
    watched.set(2)
    watched.set(3)
    assert seen == [2, 3]
