"""Work in processes of its own."""

import asyncio
import os
import signal
import time

import pytest

from adapter.errors import InvalidRequestError, OutOfResourcesError, StoppingError
from adapter.web.pages.workers import Workers
from tests.processes import descendants
from tests.waiting import until

LIMIT_S = 30


def refuse() -> None:
    raise InvalidRequestError("No", "field")


async def test_workers_give_and_raise_what_functions_do() -> None:
    """In another process; errors of ours keep what they say."""
    workers = Workers()
    assert await workers.run(os.getpid) != os.getpid()
    assert await workers.run(sorted, [3, 1, 2], reverse=True) == [3, 2, 1]
    with pytest.raises(InvalidRequestError) as caught:
        await workers.run(refuse)
    assert (caught.value.message, caught.value.field) == ("No", "field")
    workers.close()


async def test_a_worker_that_is_killed_is_told_and_replaced() -> None:
    """The kernel kills where memory is short; what else was under way ends with it, and the next goes on."""
    workers = Workers()
    process = await workers.run(os.getpid)
    others = [asyncio.create_task(workers.run(time.sleep, 1000)) for _ in range(2)]
    await asyncio.sleep(0)
    os.kill(process, signal.SIGKILL)
    async with asyncio.timeout(LIMIT_S):
        outcomes = await asyncio.gather(*others, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutOfResourcesError] * 2
    assert await workers.run(abs, -1) == 1
    workers.close()


async def test_closing_ends_all_that_goes_on() -> None:
    """At once, and no process is left."""
    workers = Workers()
    process = await workers.run(os.getpid)
    tasks = [asyncio.create_task(workers.run(time.sleep, 1000)) for _ in range(5)]
    await asyncio.sleep(0)
    assert process in descendants()
    began = time.monotonic()
    workers.close()
    assert time.monotonic() - began < LIMIT_S
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoppingError] * 5
    await until(lambda: process not in descendants())
    with pytest.raises(StoppingError):
        await workers.run(os.getpid)
    workers.close()
