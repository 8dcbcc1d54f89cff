"""Taking from an iterator that blocks."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from adapter.dataset.reading_ahead import MAX_CHUNK, read_ahead


async def test_read_ahead_gives_all_elements_in_order() -> None:
    """They come in several chunks."""
    numbers = range(MAX_CHUNK * 3 + 7)
    assert [number async for number in read_ahead(iter(numbers), asyncio.Event())] == list(numbers)


async def test_read_ahead_raises_what_reading_raises() -> None:
    """The elements of the chunks before it are given."""

    def broken() -> Iterator[int]:
        yield from range(MAX_CHUNK)
        raise OSError("broken")

    seen = []
    with pytest.raises(OSError, match="broken"):
        async for number in read_ahead(broken(), asyncio.Event()):
            seen.append(number)
    assert seen == list(range(MAX_CHUNK))


async def test_read_ahead_that_is_stopped_does_not_wait_for_more() -> None:
    """A list from standard input may not go on for hours."""
    go_on, stopping = threading.Event(), asyncio.Event()

    def slow() -> Iterator[int]:
        yield from range(MAX_CHUNK)
        go_on.wait(20)

    async with asyncio.timeout(10):
        async for number in read_ahead(slow(), stopping):
            if number == MAX_CHUNK - 1:
                stopping.set()
    go_on.set()
