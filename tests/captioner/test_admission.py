"""Who may ask the engine, and when."""

import asyncio

import pytest

from adapter.captioner.admission import Admission
from adapter.errors import EngineBusyError, StoppingError
from adapter.trace import Trace

FOR_EVER_S = 3600.0


def test_room_beyond_the_capacity_is_refused_until_there_is_some() -> None:
    """Images at the engine and images that wait count together; several may come at once."""
    admission = Admission(max_in_flight=4, max_queue=6)
    assert admission.capacity == 10
    with admission.room(7):
        with pytest.raises(EngineBusyError, match="7 images wait already"), admission.room(4):
            pass
        with admission.room(3):
            assert admission.admitted == 10
    with admission.room(10):
        pass
    assert admission.admitted == 0


def test_room_that_is_left_by_an_error_is_free_again() -> None:
    """A request that fails keeps no place."""
    admission = Admission(max_in_flight=1, max_queue=0)
    for _ in range(3):
        with pytest.raises(ValueError), admission.room(1):
            raise ValueError
    assert admission.admitted == 0


async def test_turn_when_all_are_taken_waits_for_one() -> None:
    """No more images have their turn than may be at the engine, and each gets it in the end."""
    admission = Admission(max_in_flight=2, max_queue=10)
    go_on = asyncio.Event()
    full = asyncio.Event()
    seen: list[int] = []

    async def work() -> None:
        async with admission.turn(Trace()):
            seen.append(admission.in_flight)
            if not admission.has_free_turn:
                full.set()
            await go_on.wait()

    assert admission.has_free_turn
    working = [asyncio.create_task(work()) for _ in range(5)]
    await full.wait()
    assert admission.in_flight == 2
    go_on.set()
    await asyncio.gather(*working)
    assert len(seen) == 5
    assert max(seen) == 2
    assert admission.in_flight == 0
    assert admission.has_free_turn


async def test_turn_that_is_given_up_while_it_waits_is_lost_for_nobody() -> None:
    """Neither a task that is cancelled nor one that fails keeps a turn."""
    admission = Admission(max_in_flight=1, max_queue=10)
    trace = Trace()
    async with admission.turn(trace):
        waiting = asyncio.create_task(admission.turn(Trace()).__aenter__())
        await asyncio.sleep(0)  # it waits now
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    with pytest.raises(ValueError):
        async with admission.turn(trace):
            raise ValueError
    async with asyncio.timeout(20), admission.turn(trace):
        pass
    assert set(trace.seconds) == {"wait"}


async def test_drain_when_all_is_done_returns_before_its_limit() -> None:
    """The end of the last work wakes it, and new images are refused from its beginning on."""
    admission = Admission(max_in_flight=1, max_queue=0)
    go_on = asyncio.Event()

    async def work() -> str:
        with admission.at_work():
            await go_on.wait()
            return "done"

    working = asyncio.create_task(work())
    await asyncio.sleep(0)  # it works now
    draining = asyncio.create_task(admission.drain(FOR_EVER_S))
    await asyncio.sleep(0)  # it waits now
    with pytest.raises(StoppingError), admission.room(1):
        pass
    assert not draining.done()
    go_on.set()
    async with asyncio.timeout(20):
        await draining
    assert await working == "done"


async def test_drain_gives_up_what_is_not_done_in_time() -> None:
    """A task that is given up learns that the service stops, and isn't cancelled as a whole."""
    admission = Admission(max_in_flight=1, max_queue=0)

    async def work() -> str:
        try:
            with admission.at_work():
                await asyncio.Event().wait()
        except StoppingError:
            await asyncio.sleep(0)  # a task that counted as cancelled could be cancelled here
            task = asyncio.current_task()
            assert task is not None
            return f"told, and asked to cancel {task.cancelling()} times"
        return "never"

    working = asyncio.create_task(work())
    await asyncio.sleep(0)  # it works now
    await admission.drain(0)
    assert await working == "told, and asked to cancel 0 times"


async def test_at_work_that_its_owner_cancels_is_cancelled() -> None:
    """Only what `drain` gives up becomes an error of ours."""
    admission = Admission(max_in_flight=1, max_queue=0)

    async def work() -> None:
        with admission.at_work():
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)  # it works now
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    async with asyncio.timeout(20):
        await admission.drain(FOR_EVER_S)
