"""Worker processes: right results, and what happens to the images that are too much for one."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pybase64
import pytest
from PIL import Image

from adapter.decoding.parcel import Parcel
from adapter.decoding.pool import Decoders, DecodingLimits
from adapter.errors import ImageDamagedError, ImageTooLargeError, NotAnImageError, OutOfResourcesError
from adapter.images import prepare, to_data_url
from adapter.sources import ImageLimits
from bench.stage import encoded
from tests.processes import descendants
from tests.waiting import until

LIMITS = DecodingLimits(max_pixels=75_000_000, memory_bytes=2**30, time_s=10.0)


GOOD = encoded(Image.linear_gradient("L").convert("RGB"), "PNG")


def workers() -> list[int]:
    """This process's children that decode."""
    return [pid for pid, command in descendants().items() if b"decoding" in command]


@contextlib.asynccontextmanager
async def decoders(limits: DecodingLimits = LIMITS, count: int = 1) -> AsyncIterator[Decoders]:
    pool = Decoders(count, limits)
    try:
        yield pool
    finally:
        await pool.close()
    assert not workers()


async def test_prepare_gives_what_images_gives() -> None:
    """The same code, in another process."""
    url = to_data_url(prepare(GOOD, ImageLimits(10**7, 10**7)), "png")
    expected = b'"%s"' % url
    async with decoders(count=2) as pool:
        results = await asyncio.gather(*(pool.prepare(Parcel.of(GOOD), "png") for _ in range(20)))
        assert results == [expected] * 20
        assert len(workers()) == 2


async def test_prepare_and_inspect_of_bad_files_raise_what_images_raises() -> None:
    """And the worker goes on."""
    async with decoders() as pool:
        with pytest.raises(NotAnImageError, match="Not an image"):
            await pool.inspect(Parcel.of(b"text"))
        (worker,) = workers()
        with pytest.raises(ImageDamagedError, match="damaged"):
            await pool.prepare(Parcel.of(GOOD[: len(GOOD) // 2]), "bmp")
        await pool.inspect(Parcel.of(GOOD[: len(GOOD) // 2]))
        large = encoded(Image.new("L", (9000, 9000)), "PNG")
        with pytest.raises(ImageTooLargeError, match="75000000 pixels"):
            await pool.inspect(Parcel.of(large))
        assert workers() == [worker]


async def test_prepare_beyond_the_memory_limit_costs_that_image() -> None:
    """However small its file is."""
    bomb = encoded(Image.new("L", (8000, 8000)), "PNG")
    async with decoders(DecodingLimits(75_000_000, 100 * 2**20, 10.0)) as pool:
        with pytest.raises((ImageTooLargeError, ImageDamagedError)):
            await pool.prepare(Parcel.of(bomb), "bmp")
        assert pybase64.b64decode((await pool.prepare(Parcel.of(GOOD), "bmp"))[:-1].partition(b",")[2])


async def test_prepare_of_the_largest_allowed_images_has_the_memory_it_needs() -> None:
    """Transparent and deep ones need most."""
    async with decoders() as pool:
        for mode in ("RGBA", "I;16"):
            data = encoded(Image.new(mode, (8660, 8660)), "PNG")
            assert await pool.prepare(Parcel.of(data), "bmp")


async def test_prepare_that_hangs_is_ended() -> None:
    """A stopped process is as good as one in an endless loop; the next image has a new one."""
    async with decoders(DecodingLimits(75_000_000, 2**30, 1.0)) as pool:
        await pool.inspect(Parcel.of(GOOD))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(ImageTooLargeError, match="longer than 1 s"):
            await pool.prepare(Parcel.of(GOOD), "bmp")
        assert await pool.prepare(Parcel.of(GOOD), "bmp")


async def test_prepare_in_a_worker_that_crashes_costs_that_image() -> None:
    """As a decoder's broken memory does."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GOOD))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        asking = asyncio.create_task(pool.prepare(Parcel.of(GOOD), "bmp"))
        await asyncio.sleep(0)
        os.kill(worker, signal.SIGSEGV)
        os.kill(worker, signal.SIGCONT)
        with pytest.raises(ImageDamagedError, match="crashed"):
            await asking
        assert await pool.prepare(Parcel.of(GOOD), "bmp")


@pytest.mark.parametrize("busy", [True, False])
async def test_prepare_in_a_worker_that_somebody_kills_succeeds(busy: bool) -> None:
    """In another; it was hardly the image's fault."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GOOD))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        if not busy:
            os.kill(worker, signal.SIGKILL)
        asking = asyncio.create_task(pool.prepare(Parcel.of(GOOD), "bmp"))
        if busy:
            await asyncio.sleep(0)
            os.kill(worker, signal.SIGKILL)
        assert await asking


async def test_prepare_that_nobody_waits_for_any_more_keeps_its_worker() -> None:
    """A client that leaves costs no new process, and no descriptor is left open."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GOOD))
        before, descriptors = workers(), len(os.listdir("/proc/self/fd"))
        asking = [asyncio.create_task(pool.prepare(Parcel.of(GOOD), "bmp")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert await pool.prepare(Parcel.of(GOOD), "bmp")
        assert workers() == before
        await until(lambda: len(os.listdir("/proc/self/fd")) == descriptors)


async def test_prepare_without_descriptors_says_so_and_recovers() -> None:
    """Retryable: nothing is wrong with the image."""
    parcel = Parcel.of(GOOD)
    async with decoders() as pool:
        taken = []
        try:
            while True:
                taken.append(os.dup(0))
        except OSError:
            pass
        try:
            with pytest.raises(OutOfResourcesError, match="Too many open files"):
                await pool.prepare(parcel, "bmp")
        finally:
            for descriptor in taken:
                os.close(descriptor)
        assert await pool.prepare(Parcel.of(GOOD), "bmp")
