"""Who may ask the engine, and when."""

import asyncio
import contextlib

import pytest

from adapter.captioner.admission import Admission
from adapter.captioner.priority import Priority
from adapter.errors import EngineBusyError, ReleasedError, StoppingError
from adapter.trace import Trace

FOR_EVER_S = 3600.0


def test_room_beyond_the_capacity_is_refused_until_there_is_some() -> None:
    """Images at the engine and images that wait count together; several may come at once."""
    admission = Admission(lambda: 4, max_queue=6)
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
    admission = Admission(lambda: 1, max_queue=0)
    for _ in range(3):
        with pytest.raises(ValueError), admission.room(1):
            raise ValueError
    assert admission.admitted == 0


async def test_turn_when_all_are_taken_waits_for_one() -> None:
    """No more images have their turn than may be at the engine, and each gets it in the end."""
    admission = Admission(lambda: 2, max_queue=10)
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
    admission = Admission(lambda: 1, max_queue=10)
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
    admission = Admission(lambda: 1, max_queue=0)
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
    admission = Admission(lambda: 1, max_queue=0)

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
    admission = Admission(lambda: 1, max_queue=0)

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


async def test_turn_goes_to_people_before_batches_before_runs() -> None:
    """Among equals whoever came first has it first."""
    admission = Admission(lambda: 1, max_queue=10)
    had: list[str] = []

    async def take(name: str, priority: Priority) -> None:
        async with admission.turn(Trace(), priority):
            had.append(name)

    async with admission.turn(Trace()):
        asked = [("run", Priority.RUN), ("batch", Priority.BATCH), ("one", Priority.PERSON)]
        waiting = [asyncio.create_task(take(*one)) for one in [*asked, ("two", Priority.PERSON)]]
        await asyncio.sleep(0)  # they wait now
        assert not had
    await asyncio.gather(*waiting)
    assert had == ["one", "two", "batch", "run"]


async def test_update_gives_turns_that_came_with_another_engine() -> None:
    """How many there are depends on the engines that are ready."""
    engines = 1
    admission = Admission(lambda: engines, max_queue=10)
    held = contextlib.AsyncExitStack()
    waiting = [asyncio.create_task(held.enter_async_context(admission.turn(Trace()))) for _ in range(3)]
    await asyncio.sleep(0)  # one has its turn, two wait
    assert (admission.in_flight, admission.capacity) == (1, 11)
    engines = 2
    admission.update()
    assert (admission.in_flight, admission.capacity) == (2, 12)
    engines = 3
    admission.update()
    async with asyncio.timeout(20):
        await asyncio.gather(*waiting)
    await held.aclose()
    assert admission.in_flight == 0


async def test_turn_that_is_given_up_as_it_comes_goes_to_the_next() -> None:
    """A client may leave in the moment in which it is its turn."""
    admission = Admission(lambda: 1, max_queue=10)
    async with contextlib.AsyncExitStack() as held:
        await held.enter_async_context(admission.turn(Trace()))
        leaving = asyncio.create_task(admission.turn(Trace()).__aenter__())
        staying = asyncio.create_task(admission.turn(Trace()).__aenter__())
        await asyncio.sleep(0)  # they wait now
        await held.aclose()  # the first of them has its turn, and doesn't know yet
        leaving.cancel()
        async with asyncio.timeout(20):
            await staying
    assert leaving.cancelled()
    assert admission.in_flight == 1


async def test_give_up_ends_those_at_work_with_an_error() -> None:
    """They aren't cancelled: whoever asked gets an answer."""
    admission = Admission(lambda: 1, max_queue=10)

    async def work() -> None:
        with admission.at_work():
            await asyncio.Event().wait()

    working = [asyncio.create_task(work()) for _ in range(2)]
    await asyncio.sleep(0)  # they work now
    admission.give_up(ReleasedError)
    errors = await asyncio.gather(*working, return_exceptions=True)
    assert all(isinstance(error, ReleasedError) for error in errors)
    assert errors[0] is not errors[1]
    with admission.room(1):
        pass  # others are admitted
