"""Processes for what takes long."""

import asyncio
import os
import signal
import time

import pytest

from adapter.errors import OutOfResourcesError, StoppingError
from adapter.web.pages.workers import Workers


async def test_work_is_done_elsewhere_and_its_errors_come_back() -> None:
    """In another process."""
    workers = Workers()
    assert await workers.run(os.getpid) != os.getpid()
    with pytest.raises(ValueError, match="invalid literal"):
        await workers.run(int, "no number")
    workers.close()


async def test_a_killed_process_costs_its_own_work_alone() -> None:
    """The next one gets another."""
    workers = Workers(1)
    number = await workers.run(os.getpid)
    sleeping = asyncio.create_task(workers.run(time.sleep, 600))
    await asyncio.sleep(0)
    os.kill(number, signal.SIGKILL)
    with pytest.raises(OutOfResourcesError):
        await sleeping
    assert await workers.run(abs, -1) == 1
    workers.close()


async def test_close_ends_what_is_under_way() -> None:
    """At once, and nothing begins any more."""
    workers = Workers(1)
    await workers.run(os.getpid)
    sleeping = asyncio.create_task(workers.run(time.sleep, 600))
    await asyncio.sleep(0)
    workers.close()
    with pytest.raises(StoppingError):
        await sleeping
    with pytest.raises(StoppingError):
        await workers.run(os.getpid)
