"""The one way to a caption, against a fake engine."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from adapter.captioner import Captioner
from adapter.chat import CaptionRequest
from adapter.config import Settings
from adapter.engine.launcher import Engine
from adapter.errors import (
    EngineBusyError,
    EngineError,
    EngineNotReadyError,
    FileMissingError,
    StoppingError,
)
from adapter.prompts import PromptBook
from adapter.sources import ImageBytes, ImageFile, ImageLimits
from tests.fake_engine import FakeEngine, completion
from tests.waiting import until

MAX_IN_FLIGHT = 4


@pytest.fixture
async def ready(book: PromptBook) -> AsyncIterator[tuple[FakeEngine, Captioner]]:
    fake = FakeEngine()
    server = await fake.start()
    settings = Settings(
        engine_url=str(server.make_url("")),
        max_in_flight=MAX_IN_FLIGHT,
        max_queue=6,
        prepare_workers=1,
        engine_wait_s=0.3,
    )
    engine = Engine(settings, book)
    running = asyncio.create_task(engine.run())
    captioner = Captioner(engine, settings)
    await until(lambda: engine.ready)
    fake.most_under_way = 0
    yield fake, captioner
    await captioner.drain(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await server.close()


async def test_caption_of_a_path_and_of_its_bytes_is_the_same(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """The faces hand over one or the other."""
    _, captioner = ready
    by_path = await captioner.caption(CaptionRequest.build(ImageFile(str(picture)), "Say.", book))
    by_bytes = await captioner.caption(CaptionRequest.build(ImageBytes(picture.read_bytes()), "Say.", book))
    assert by_path.caption == by_bytes.caption
    assert by_path.seconds > 0


async def test_captions_of_several_requests_prepare_the_image_once(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """One follows the other; what was given before one fails stays good."""
    fake, captioner = ready
    requests = [CaptionRequest.build(ImageFile(str(picture)), prompt, book) for prompt in ("A.", "B.")]
    fake.asked.clear()
    given = []
    async with contextlib.aclosing(captioner.captions(requests)) as captions:
        async for timed in captions:
            given.append(timed.caption.text)
            picture.unlink(missing_ok=True)
            assert len(fake.asked) == len(given)
    assert len(given) == 2
    assert [body["messages"][1]["content"][1]["text"] for body in fake.asked] == ["A.", "B."]


@dataclass(frozen=True)
class SlowDisk:
    """An image whose bytes come when the disk feels like it."""

    data: bytes
    ready: threading.Event

    def read(self, limits: ImageLimits) -> bytes:
        assert self.ready.wait(20)
        return self.data


async def test_slow_files_do_not_stall_the_rest(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """However many cores there are: they are read beside the others."""
    _, captioner = ready
    disk = threading.Event()
    data = picture.read_bytes()
    slow = [
        asyncio.create_task(captioner.caption(CaptionRequest.build(SlowDisk(data, disk), "Say.", book)))
        for _ in range(MAX_IN_FLIGHT - 1)
    ]
    await asyncio.sleep(0)
    for _ in range(5):
        assert (await captioner.caption(CaptionRequest.build(ImageBytes(data), "Say.", book))).caption.text
    assert not any(task.done() for task in slow)
    disk.set()
    await asyncio.gather(*slow)


async def test_caption_of_many_keeps_to_the_limit_and_reaches_it(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """All at once, as many as `max_in_flight` at the engine."""
    fake, captioner = ready
    full = asyncio.Event()

    async def answer_when_full(request: web.Request) -> web.StreamResponse:
        if fake.under_way == MAX_IN_FLIGHT:
            full.set()
        await full.wait()
        return web.json_response(completion("done"))

    fake.answer = answer_when_full
    request = CaptionRequest.build(ImageFile(str(picture)), "Say.", book)
    results = await asyncio.gather(*(captioner.caption(request) for _ in range(20)))
    assert [result.caption.text for result in results] == ["done"] * 20
    assert fake.most_under_way == MAX_IN_FLIGHT


async def test_caption_that_fails_leaves_room_for_the_next(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """More failures than places."""
    _, captioner = ready
    for _ in range(MAX_IN_FLIGHT + 1):
        with pytest.raises(FileMissingError):
            await captioner.caption(CaptionRequest.build(ImageFile("/none.png"), "Say.", book))
    assert (await captioner.caption(CaptionRequest.build(ImageFile(str(picture)), "Say.", book))).caption.text


async def test_admit_beyond_the_queue_is_refused_until_there_is_room(
    ready: tuple[FakeEngine, Captioner],
) -> None:
    """Ten places: more than that at one time never, and now only while others wait."""
    _, captioner = ready
    async with captioner.admit(7):
        with pytest.raises(EngineBusyError, match="7 images wait already"):
            async with captioner.admit(4):
                pass
        async with captioner.admit(3):
            pass
    async with captioner.admit(10):
        pass
    assert captioner.capacity == 10


async def test_drain_finishes_what_it_can_and_gives_up_the_rest(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """Nobody is left without an answer."""
    fake, captioner = ready
    go_on = asyncio.Event()

    async def first_answers(request: web.Request) -> web.StreamResponse:
        if len(fake.asked) == 3:
            await go_on.wait()
            return web.json_response(completion("done"))
        await asyncio.Event().wait()
        return web.Response()

    fake.answer = first_answers
    fake.asked = fake.asked[:2]
    request = CaptionRequest.build(ImageFile(str(picture)), "Say.", book)
    first = asyncio.create_task(captioner.caption(request))
    await until(lambda: len(fake.asked) == 3)
    others = [asyncio.create_task(captioner.caption(request)) for _ in range(MAX_IN_FLIGHT + 2)]
    await until(lambda: fake.under_way == MAX_IN_FLIGHT)
    draining = asyncio.create_task(captioner.drain(1.0))
    await asyncio.sleep(0)  # drain runs up to its first wait
    with pytest.raises(StoppingError):
        async with captioner.admit(1):
            pass
    go_on.set()
    await draining
    assert (await first).caption.text == "done"
    for other in others:
        with pytest.raises(StoppingError):
            await other
    await until(lambda: fake.under_way == 0)


async def test_requests_under_way_when_the_engine_goes_are_sent_again_once_it_is_back(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """Plain and streamed ones; new ones wait, as long as they are told to."""
    fake, captioner = ready
    calls = 0

    async def break_off(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        fake.healthy = False
        while calls < 3:  # noqa: ASYNC110 - until all are here
            await asyncio.sleep(0.01)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    fake.answer = break_off
    request = CaptionRequest.build(ImageFile(str(picture)), "Say.", book)

    async def stream() -> int:
        async with captioner.stream(request) as chunks:
            return sum([len(together) async for together in chunks])

    under_way = [
        asyncio.create_task(captioner.caption(request)),
        asyncio.create_task(captioner.caption(request)),
    ]
    streaming = asyncio.create_task(stream())
    await until(lambda: calls >= 3 and fake.under_way == 0)

    async def is_refused() -> bool:
        try:
            async with captioner.admit(1):
                return False
        except EngineNotReadyError as error:
            return "doesn't answer" in error.message

    async with asyncio.timeout(20):
        while not await is_refused():  # noqa: ASYNC110 - it may not be known yet that it's gone
            await asyncio.sleep(0.01)
    fake.answer = None
    fake.healthy = True
    assert all([(await task).caption.text for task in under_way])
    assert await streaming > 3
    async with captioner.admit(1):
        pass


async def test_a_failure_of_an_engine_that_is_there_is_not_sent_again(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """It is this request's."""
    fake, captioner = ready

    async def fail(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    fake.answer = fail
    fake.asked.clear()
    with pytest.raises(EngineError, match="failed at this request"):
        await captioner.caption(CaptionRequest.build(ImageFile(str(picture)), "Say.", book))
    assert len(fake.asked) == 1


async def test_a_stream_that_has_begun_is_not_begun_again(
    ready: tuple[FakeEngine, Captioner], book: PromptBook, picture: Path
) -> None:
    """Its reader has the beginning already."""
    fake, captioner = ready

    async def break_off(request: web.Request) -> web.StreamResponse:
        response = await fake.begin_stream(request)
        fake.healthy = False
        assert request.transport is not None
        request.transport.close()
        return response

    fake.answer = break_off
    fake.asked.clear()
    with pytest.raises(EngineError):
        async with captioner.stream(CaptionRequest.build(ImageFile(str(picture)), "Say.", book)) as chunks:
            async for _ in chunks:
                pass
    assert len(fake.asked) == 1
    fake.healthy = True


async def test_caption_without_an_engine_says_that_it_is_not_ready(book: PromptBook, picture: Path) -> None:
    """At once."""
    settings = Settings(engine_url="http://127.0.0.1:1")
    captioner = Captioner(Engine(settings, book), settings)
    with pytest.raises(EngineNotReadyError, match="Starting"):
        async with captioner.admit(1):
            pass
    with pytest.raises(EngineNotReadyError, match="Starting"):
        await captioner.caption(CaptionRequest.build(ImageFile(str(picture)), "Say.", book))
    await captioner.drain(0)
