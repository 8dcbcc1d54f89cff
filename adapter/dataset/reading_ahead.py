"""Takes from an iterator that blocks, in threads, one step ahead of who uses it."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any, TypeVar

MAX_CHUNK = 500  # elements that are taken over from a thread together,
CHUNK_S = 0.05  # or what it has found in so long, whichever comes first
T = TypeVar("T")


async def read_ahead(
    elements: Iterator[T], stopping: asyncio.Event, max_chunk: int = MAX_CHUNK
) -> AsyncGenerator[T]:
    """Gives the elements, which are read from folders and files. Raises what reading them raises.

    Up to `max_chunk` are held while they wait, and as many again while they are used.

    Once `stopping` is set it ends with the elements that it has, and doesn't wait for more: a list from
    standard input may not go on for hours.
    """
    ahead = _taking(elements, max_chunk)
    stop = asyncio.create_task(stopping.wait())
    try:
        while True:
            either: set[asyncio.Future[Any]] = {ahead, stop}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not ahead.done() or not (taken := ahead.result()):
                return
            ahead = _taking(elements, max_chunk)
            for element in taken:
                yield element
    finally:
        stop.cancel()
        if not ahead.cancel():
            ahead.exception()  # counts as seen: it comes after all elements that were wanted


def _taking(elements: Iterator[T], max_chunk: int) -> asyncio.Future[list[T]]:
    """Takes the next elements in a thread that the program's end doesn't wait for; none at the end."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[list[T]] = loop.create_future()

    def settle(taken: list[T], error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(taken)
        else:
            future.set_exception(error)

    def take() -> None:
        taken: list[T] = []
        failed: BaseException | None = None
        try:
            taken = _take(elements, max_chunk)
        except BaseException as error:  # raised again where the future is awaited
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run has ended
            loop.call_soon_threadsafe(settle, taken, failed)

    threading.Thread(target=take, name="scan", daemon=True).start()
    return future


def _take(elements: Iterator[T], max_chunk: int) -> list[T]:
    taken: list[T] = []
    deadline = time.monotonic() + CHUNK_S
    for element in elements:
        taken.append(element)
        if len(taken) >= max_chunk or time.monotonic() > deadline:
            break
    return taken
