"""The one way from an image to its caption: admission, image preparation, engine."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from adapter.chat import Caption, CaptionRequest, to_arguments, to_caption
from adapter.config import Settings
from adapter.engine.launcher import Engine
from adapter.errors import EngineBusyError, InvalidRequestError, StoppingError
from adapter.images import ImageLimits, open_image, prepare, read_file, to_data_url


@dataclass(frozen=True)
class TimedCaption:
    """A caption and the seconds from its request to its text."""

    caption: Caption
    seconds: float


class Captioner:
    """Captions images on one engine. To be drained when done with."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels, settings.roots)
        self._in_flight = asyncio.Semaphore(settings.max_in_flight)
        self._capacity = settings.max_in_flight + settings.max_queue
        self._admitted = 0
        self._work: set[asyncio.Task[TimedCaption]] = set()
        self._stopping = False
        self._workers = ThreadPoolExecutor(settings.prepare_workers, "prepare")

    @contextlib.contextmanager
    def admit(self, images: int) -> Iterator[None]:
        """Room for `images` captions while the context lasts.

        Raises EngineNotReadyError, StoppingError, EngineBusyError when too many wait already, and
        InvalidRequestError for more than there is ever room for.
        """
        _ = self._engine.client
        if self._stopping:
            raise StoppingError
        if images > self._capacity:
            raise InvalidRequestError(f"image_paths: at most {self._capacity} at one time", "image_paths")
        if self._admitted + images > self._capacity:
            raise EngineBusyError(f"{self._admitted} images wait already; try again soon")
        self._admitted += images
        try:
            yield
        finally:
            self._admitted -= images

    async def inspect(self, image: str | bytes) -> None:
        """Where `image` would have to wait for its turn: raises at once what its file and header tell.

        Where it wouldn't, `caption` is as quick to say so.
        """
        if self._in_flight.locked():
            await asyncio.get_running_loop().run_in_executor(self._workers, self._open, image)

    async def caption(self, request: CaptionRequest) -> TimedCaption:
        """The caption of one admitted image. Raises the image, file and engine errors of `errors`."""
        work = asyncio.create_task(self._caption(request))
        self._work.add(work)
        work.add_done_callback(self._work.discard)
        try:
            return await work
        except asyncio.CancelledError:
            if self._stopping and work.cancelled():
                raise StoppingError from None
            raise

    async def drain(self, limit_s: float) -> None:
        """Refuses new images, waits up to `limit_s` for those under way, and gives up the rest."""
        self._stopping = True
        if self._work:
            _, left = await asyncio.wait(self._work, timeout=limit_s)
            for work in left:
                work.cancel()
        # Waits for no thread: what is still being decoded is of no use any more.
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def _caption(self, request: CaptionRequest) -> TimedCaption:
        started = time.monotonic()
        async with self._in_flight:
            client = self._engine.client
            image_url = await asyncio.get_running_loop().run_in_executor(
                self._workers, self._prepare, request.image, client.is_local
            )
            arguments = to_arguments(request, image_url, self._engine.model)
            caption = to_caption(await client.complete(arguments))
        return TimedCaption(caption, time.monotonic() - started)

    def _prepare(self, image: str | bytes, engine_is_local: bool) -> str:
        return to_data_url(prepare(self._read(image), self._limits), "bmp" if engine_is_local else "png")

    def _open(self, image: str | bytes) -> None:
        open_image(self._read(image), self._limits).close()

    def _read(self, image: str | bytes) -> bytes:
        return image if isinstance(image, bytes) else read_file(image, self._limits)
