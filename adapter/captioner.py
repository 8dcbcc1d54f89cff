"""The one way from an image to its caption: admission, image preparation, engine."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from openai.types.chat import ChatCompletion

from adapter.chat import Caption, CaptionRequest, to_arguments, to_caption
from adapter.config import Settings
from adapter.engine.client import Chunk, EngineClient, encode
from adapter.engine.launcher import Engine
from adapter.errors import EngineBusyError, StoppingError
from adapter.images import Kind, open_image, prepare, to_data_url
from adapter.sources import ImageLimits, ImageSource

# Files that are read at one time. They cost no core, and on a network disk one may take seconds.
READERS = 32


@dataclass(frozen=True)
class TimedCaption:
    """A caption and the seconds from its request to its text."""

    caption: Caption
    seconds: float


class Captioner:
    """Captions images on one engine. To be drained when done with.

    `capacity` is how many images can be admitted at one time.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels, settings.roots)
        self._in_flight = asyncio.Semaphore(settings.max_in_flight)
        self.capacity = settings.max_in_flight + settings.max_queue
        self._admitted = 0
        self._work: set[asyncio.Task[Any]] = set()
        self._given_up: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self._readers = ThreadPoolExecutor(READERS, "read")
        self._workers = ThreadPoolExecutor(settings.prepare_workers, "prepare")

    @contextlib.contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Room for `images` captions while the context lasts.

        Raises EngineNotReadyError, StoppingError, and EngineBusyError when too many wait already.
        """
        _ = self._engine.client
        if self._stopping:
            raise StoppingError
        if self._admitted + images > self.capacity:
            raise EngineBusyError(f"{self._admitted} images wait already; try again soon")
        self._admitted += images
        try:
            yield
        finally:
            self._admitted -= images

    async def inspect(self, image: ImageSource) -> None:
        """Where `image` would have to wait for its turn: raises at once what its file and header tell.

        Where it wouldn't, `caption` is as quick to say so.
        """
        if self._in_flight.locked():
            await asyncio.get_running_loop().run_in_executor(self._readers, self._open, image)

    async def caption(self, request: CaptionRequest) -> TimedCaption:
        """The caption of one admitted image. Raises the image, file and engine errors of `errors`."""
        async with contextlib.aclosing(self.captions([request])) as captions:
            return await anext(captions)

    async def captions(self, requests: Sequence[CaptionRequest]) -> AsyncGenerator[TimedCaption]:
        """Those of several requests about the same image, each as soon as it is there.

        The image is prepared once, and one request follows the other, so that the engine has the image's part
        of the prompt in its prefix cache. Raises as `caption`; what was given by then stays good.
        """
        started = time.monotonic()
        async with self._turn() as client:
            image_url = await self._image_url(requests[0].image, client)
            for request in requests:
                body = encode(to_arguments(request, image_url, self._engine.model))
                if request is requests[-1]:
                    image_url = None  # it is large
                caption = to_caption(await client.complete(body), request.trigger)
                yield TimedCaption(caption, time.monotonic() - started)
                started = time.monotonic()

    async def complete(self, request: CaptionRequest) -> ChatCompletion:
        """The engine's whole answer to an admitted request. Raises as `caption`."""
        async with self._turn() as client:
            image_url = await self._image_url(request.image, client)
            body = encode(to_arguments(request, image_url, self._engine.model))
            del image_url  # it is large
            return await client.complete(body)

    @contextlib.asynccontextmanager
    async def stream(self, request: CaptionRequest) -> AsyncIterator[AsyncIterator[list[Chunk]]]:
        """The engine's answer to an admitted request as it is written, see `EngineClient.stream`."""
        async with self._turn() as client:
            image_url = await self._image_url(request.image, client)
            async with client.stream(to_arguments(request, image_url, self._engine.model)) as chunks:
                yield chunks

    async def drain(self, limit_s: float) -> None:
        """Refuses new images, waits up to `limit_s` for those under way, and gives up the rest."""
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit_s)
        for task in self._work:
            self._given_up.add(task)
            task.cancel()
        # Waits for no thread: what is still being decoded is of no use any more.
        self._readers.shutdown(wait=False, cancel_futures=True)
        self._workers.shutdown(wait=False, cancel_futures=True)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[EngineClient]:
        """The engine's client, while this task is among those that may use it.

        A task that is given up by `drain` gets StoppingError instead of its cancellation.
        """
        task = asyncio.current_task()
        assert task is not None
        self._work.add(task)
        self._idle.clear()
        try:
            async with self._in_flight:
                yield self._engine.client
        except asyncio.CancelledError:
            if task not in self._given_up:
                raise
            task.uncancel()
            raise StoppingError from None
        finally:
            self._given_up.discard(task)
            self._work.discard(task)
            if not self._work:
                self._idle.set()

    async def _image_url(self, image: ImageSource | None, client: EngineClient) -> str | None:
        if image is None:
            return None
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(self._readers, image.read, self._limits)
        kind: Kind = "bmp" if client.is_local else "png"
        return await loop.run_in_executor(self._workers, self._prepare, data, kind)

    def _prepare(self, data: bytes, kind: Kind) -> str:
        return to_data_url(prepare(data, self._limits), kind)

    def _open(self, image: ImageSource) -> None:
        open_image(image.read(self._limits), self._limits).close()
