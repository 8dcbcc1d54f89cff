"""Waits for what another task or process brings about, where nothing tells of it."""

import asyncio
from collections.abc import Callable

POLL_S = 0.01


async def until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Returns once `condition()` holds, or raises TimeoutError where it doesn't in time."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(POLL_S)
