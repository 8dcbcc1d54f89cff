"""Worker processes: their results, and what happens to an image that is too much for one."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pybase64
import pytest
from PIL import Image

from adapter import images
from adapter.errors import (
    ImageDamagedError,
    ImageTooLargeError,
    NotAnImageError,
    OutOfResourcesError,
    StoppingError,
)
from adapter.images.parcel import Parcel
from adapter.images.pixels import prepare, to_data_url
from adapter.images.pool import Decoders, DecodingLimits
from adapter.images.sources import ImageLimits
from tests.pictures import GREY_PNG, encoded
from tests.processes import children
from tests.waiting import until

LIMITS = DecodingLimits(max_pixels=75_000_000, memory_bytes=2**31, time_s=10.0)


def workers() -> list[int]:
    """Gives this process's children that decode."""
    return [pid for pid, command in children().items() if b"adapter.images.worker" in command]


@contextlib.asynccontextmanager
async def decoders(limits: DecodingLimits = LIMITS, count: int = 1) -> AsyncIterator[Decoders]:
    """Makes a pool, closes it, and checks that no process is left."""
    pool = Decoders(count, limits)
    try:
        yield pool
    finally:
        await pool.close()
    assert not workers()


async def test_prepare_gives_what_pixels_gives() -> None:
    """The same code runs, in other processes, and in no more of them than the pool may have."""
    url = to_data_url(prepare(GREY_PNG, ImageLimits(10**7, 10**7)), "png")
    expected = b'"%s"' % url
    async with decoders(count=2) as pool:
        results = await asyncio.gather(*(pool.prepare(Parcel.of(GREY_PNG), "png") for _ in range(20)))
        assert results == [expected] * 20
        assert len(workers()) == 2


async def test_prepare_and_inspect_of_bad_files_raise_what_pixels_raises() -> None:
    """A bad file costs its worker nothing, which goes on with the next one."""
    async with decoders() as pool:
        with pytest.raises(NotAnImageError, match="Not an image"):
            await pool.inspect(Parcel.of(b"text"))
        (worker,) = workers()
        with pytest.raises(ImageDamagedError, match="damaged"):
            await pool.prepare(Parcel.of(GREY_PNG[: len(GREY_PNG) // 2]), "bmp")
        await pool.inspect(Parcel.of(GREY_PNG[: len(GREY_PNG) // 2]))
        large = encoded(Image.new("L", (9000, 9000)), "PNG")
        with pytest.raises(ImageTooLargeError, match="75000000 pixels"):
            await pool.inspect(Parcel.of(large))
        assert workers() == [worker]


async def test_prepare_beyond_the_memory_limit_costs_that_image() -> None:
    """A small file may be a large picture, and the worker's limit holds; the next image is prepared."""
    bomb = encoded(Image.new("L", (8000, 8000)), "PNG")
    async with decoders(DecodingLimits(75_000_000, 100 * 2**20, 10.0)) as pool:
        with pytest.raises((ImageTooLargeError, ImageDamagedError)):
            await pool.prepare(Parcel.of(bomb), "bmp")
        assert pybase64.b64decode((await pool.prepare(Parcel.of(GREY_PNG), "bmp"))[:-1].partition(b",")[2])


async def test_prepare_of_the_largest_allowed_images_has_the_memory_it_needs() -> None:
    """Transparent and deep pictures need most, and fit all the same."""
    async with decoders() as pool:
        for mode, kind in (("RGBA", "PNG"), ("I;16", "PNG"), ("RGB", "WEBP")):
            data = encoded(Image.new(mode, (8660, 8660)), kind)
            assert await pool.prepare(Parcel.of(data), "bmp")


async def test_prepare_that_takes_too_long_costs_that_image() -> None:
    """A stopped process stands for one in an endless loop; the next image gets a new one."""
    async with decoders(DecodingLimits(75_000_000, 2**31, 1.0)) as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        with pytest.raises(ImageTooLargeError, match="longer than 1 s"):
            await pool.prepare(Parcel.of(GREY_PNG), "bmp")
        assert await pool.prepare(Parcel.of(GREY_PNG), "bmp")


async def test_prepare_in_a_worker_that_crashes_costs_that_image() -> None:
    """A decoder whose memory is broken crashes; the next image gets a new process."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        asking = asyncio.create_task(pool.prepare(Parcel.of(GREY_PNG), "bmp"))
        await asyncio.sleep(0)
        os.kill(worker, signal.SIGSEGV)
        os.kill(worker, signal.SIGCONT)
        with pytest.raises(ImageDamagedError, match="crashed"):
            await asking
        assert await pool.prepare(Parcel.of(GREY_PNG), "bmp")


@pytest.mark.parametrize("busy", [True, False])
async def test_prepare_in_a_worker_that_somebody_kills_succeeds(busy: bool) -> None:
    """Another worker takes the image, since it was hardly the image's fault."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        if not busy:
            os.kill(worker, signal.SIGKILL)
        asking = asyncio.create_task(pool.prepare(Parcel.of(GREY_PNG), "bmp"))
        if busy:
            await asyncio.sleep(0)
            os.kill(worker, signal.SIGKILL)
        assert await asking


async def test_prepare_that_is_given_up_keeps_its_worker() -> None:
    """A client that leaves costs no new process and leaves no descriptor open."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        before, descriptors = workers(), len(os.listdir("/proc/self/fd"))
        asking = [asyncio.create_task(pool.prepare(Parcel.of(GREY_PNG), "bmp")) for _ in range(3)]
        await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        assert await pool.prepare(Parcel.of(GREY_PNG), "bmp")
        assert workers() == before
        await until(lambda: len(os.listdir("/proc/self/fd")) == descriptors)


async def test_prepare_without_descriptors_says_so_and_recovers() -> None:
    """Nothing is wrong with the image, so the error says to come back."""
    parcel = Parcel.of(GREY_PNG)
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
        assert await pool.prepare(Parcel.of(GREY_PNG), "bmp")


async def test_close_while_images_are_prepared_gives_each_caller_an_answer() -> None:
    """Those that are prepared and those that wait learn that the service stops, and no process starts."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        descriptors = len(os.listdir("/proc/self/fd"))
        asking = [asyncio.create_task(pool.prepare(Parcel.of(GREY_PNG), "bmp")) for _ in range(3)]
        await asyncio.sleep(0)  # each asks, up to where it waits
        await pool.close()
        async with asyncio.timeout(20):
            results = await asyncio.gather(*asking, return_exceptions=True)
        assert [type(result) for result in results] == [StoppingError] * 3
        with pytest.raises(StoppingError):
            await pool.prepare(Parcel.of(GREY_PNG), "bmp")
        await until(lambda: len(os.listdir("/proc/self/fd")) < descriptors)


async def test_prepare_while_workers_are_killed_again_and_again_blames_no_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The memory may have run out, which the image can't help."""
    async with decoders() as pool:
        with monkeypatch.context() as killed:
            killed.setattr(images.pool, "PROGRAM", "import os; os.kill(os.getpid(), 9)")
            with pytest.raises(OutOfResourcesError, match="are being killed"):
                await pool.prepare(Parcel.of(GREY_PNG), "bmp")
        assert await pool.prepare(Parcel.of(GREY_PNG), "bmp")


@pytest.mark.parametrize(
    "answer", [b'{"bytes": 1000000}', b'{"bytes": "x"}', b"[]", b"no JSON", b'{"error": "x"}']
)
async def test_prepare_in_a_worker_that_answers_nonsense_costs_that_image(
    answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may have taken it over; the next image gets a new process."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        before = workers()

        async def ask(self: object, *question: object) -> bytes:
            return answer

        with monkeypatch.context() as patch:
            patch.setattr("adapter.images.pool._Worker.ask", ask)
            with pytest.raises(ImageDamagedError, match="nonsense"):
                await pool.prepare(Parcel.of(GREY_PNG), "bmp")
        assert await pool.prepare(Parcel.of(GREY_PNG), "bmp")
        assert workers() != before


async def test_workers_know_no_secrets_and_get_no_privileges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile file that takes one over finds little there."""
    for name in ("CAPTION_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "secret")
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        (worker,) = workers()
        process = Path(f"/proc/{worker}")
        assert b"secret" not in (process / "environ").read_bytes()
        assert "NoNewPrivs:\t1" in (process / "status").read_text()
        assert int((process / "oom_score_adj").read_text()) >= 500
        assert (process / "fd/2").readlink() == Path("/dev/null"), "libtiff would fill the log"


async def test_prepare_of_the_lowest_rank_goes_first() -> None:
    """A batch of pictures that take long doesn't hold up a single one."""
    async with decoders() as pool:
        await pool.inspect(Parcel.of(GREY_PNG))
        (worker,) = workers()
        os.kill(worker, signal.SIGSTOP)
        ended: list[str] = []

        async def prepare(name: str, rank: int) -> None:
            await pool.prepare(Parcel.of(GREY_PNG), "bmp", rank)
            ended.append(name)

        asked = [("at work", 1), ("batch", 1), ("batch", 1), ("person", 0)]
        asking = [asyncio.create_task(prepare(*one)) for one in asked]
        await asyncio.sleep(0)  # one is at work, the others wait
        os.kill(worker, signal.SIGCONT)
        await asyncio.gather(*asking)
        assert ended == ["at work", "person", "batch", "batch"]
