"""When the engine is asked again, and when it isn't."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from adapter.captioner.attempts import MAX_ATTEMPTS, Attempt, Attempts
from adapter.engine.fleet import Fleet
from adapter.engine.seat import taken
from adapter.errors import (
    CaptionError,
    EmptyCaptionError,
    EngineBusyError,
    EngineError,
    EngineNotReadyError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    InvalidRequestError,
    OutOfResourcesError,
)
from adapter.trace import Trace
from tests.captioner.conftest import PATIENCE_S
from tests.fake_engine import FakeEngine

MENDED_BY_ANOTHER_ENGINE = (EngineError("x"), EngineUnavailableError("x"), EngineBusyError("x"))
FINAL = (
    EngineTimeoutError("x"),
    EngineRefusedError("x"),
    InvalidRequestError("x"),
    OutOfResourcesError("x"),
    ValueError("x"),
)


def kind_of(error: Exception) -> str:
    return type(error).__name__


@contextlib.asynccontextmanager
async def coming_back(engine: FakeEngine, fleet: Fleet) -> AsyncIterator[None]:
    """Makes the engine well again each time that it was found to be lost."""

    async def heal() -> None:
        while True:
            if (await fleet.changed()).state == "restarting":
                engine.healthy = True

    healing = asyncio.create_task(heal())
    await asyncio.sleep(0)  # it waits for a change now
    try:
        yield
    finally:
        healing.cancel()
        await asyncio.gather(healing, return_exceptions=True)


async def attempted(
    fleet: Fleet, act: Callable[[int, Attempt], None], *, wait_s: float = PATIENCE_S
) -> tuple[int, BaseException | None]:
    """Gives how many attempts there were where `act` is called in each, and the error that came out."""
    number = 0
    try:
        async with taken(fleet, wait_s) as seat:
            async for attempt in Attempts(seat, Trace()):
                number += 1
                with attempt as endpoint:
                    assert endpoint is seat.endpoint
                    act(number, attempt)
    except (CaptionError, ValueError) as error:
        return number, error
    return number, None


async def test_attempts_when_the_first_succeeds_end_with_it(fleet: Fleet) -> None:
    """Nothing is asked twice without a reason."""
    assert await attempted(fleet, lambda number, attempt: None) == (1, None)


@pytest.mark.parametrize("error", MENDED_BY_ANOTHER_ENGINE, ids=kind_of)
async def test_attempts_when_the_engine_was_lost_are_made_once_more(
    engine: FakeEngine, fleet: Fleet, error: EngineError
) -> None:
    """Captioning has no side effect, so the request goes to the engine that is ready next."""

    def lose_the_first(number: int, attempt: Attempt) -> None:
        if number == 1:
            engine.healthy = False
            raise error

    async with asyncio.timeout(20), coming_back(engine, fleet):
        assert await attempted(fleet, lose_the_first) == (2, None)


async def test_attempts_when_the_engine_is_lost_each_time_come_to_an_end(
    engine: FakeEngine, fleet: Fleet
) -> None:
    """A request that ends every engine doesn't end them for ever."""
    errors = [EngineUnavailableError(f"engine {number} was lost") for number in range(MAX_ATTEMPTS)]

    def lose(number: int, attempt: Attempt) -> None:
        engine.healthy = False
        raise errors[number - 1]

    async with asyncio.timeout(20), coming_back(engine, fleet):
        assert await attempted(fleet, lose) == (MAX_ATTEMPTS, errors[-1])


@pytest.mark.parametrize("error", [*MENDED_BY_ANOTHER_ENGINE, EmptyCaptionError()], ids=kind_of)
async def test_attempts_when_the_engine_is_there_are_not_repeated(fleet: Fleet, error: EngineError) -> None:
    """An engine that is well would fail at this request again."""

    def fail(number: int, attempt: Attempt) -> None:
        raise error

    assert await attempted(fleet, fail) == (1, error)


@pytest.mark.parametrize("error", FINAL, ids=kind_of)
async def test_attempts_after_a_final_error_are_not_repeated(
    engine: FakeEngine, fleet: Fleet, error: Exception
) -> None:
    """A time that ran out and a refusal are final, even where the engine was lost as well."""

    def fail(number: int, attempt: Attempt) -> None:
        engine.healthy = False
        raise error

    async with asyncio.timeout(20), coming_back(engine, fleet):
        assert await attempted(fleet, fail) == (1, error)


async def test_attempts_after_a_chunk_was_given_are_not_repeated(engine: FakeEngine, fleet: Fleet) -> None:
    """The reader has the beginning of an answer, which another one wouldn't continue."""
    error = EngineError("The engine's answer broke off")

    def break_off(number: int, attempt: Attempt) -> None:
        attempt.commit()
        engine.healthy = False
        raise error

    async with asyncio.timeout(20), coming_back(engine, fleet):
        assert await attempted(fleet, break_off) == (1, error)


async def test_attempts_when_the_engine_stays_away_say_that_it_is_not_ready(
    engine: FakeEngine, fleet: Fleet
) -> None:
    """They wait for as long as they are told to, which is not at all here."""

    def lose(number: int, attempt: Attempt) -> None:
        engine.healthy = False
        raise EngineUnavailableError("The engine can't be reached")

    number, error = await attempted(fleet, lose, wait_s=0)
    assert number == 1
    assert isinstance(error, EngineNotReadyError)
    assert "doesn't answer" in error.message


async def test_attempts_take_the_time_of_the_engine(fleet: Fleet) -> None:
    """The trace has the time of a failed attempt too."""
    trace = Trace()
    with pytest.raises(EngineError):
        async with taken(fleet) as seat:
            async for attempt in Attempts(seat, trace):
                with attempt:
                    raise EngineError("x")
    assert set(trace.seconds) == {"engine"}
