"""The one way from an image to its caption: admission, image preparation, engine."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from adapter.chat import Caption, CaptionRequest, to_arguments, to_caption
from adapter.config import Settings
from adapter.engine.launcher import Engine
from adapter.images import ImageLimits, prepare, read_file, to_data_url


@dataclass(frozen=True)
class TimedCaption:
    """A caption and the seconds from its request to its text."""

    caption: Caption
    seconds: float


class Captioner:
    """Captions images on one engine. To be closed when done with."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels)
        self._in_flight = asyncio.Semaphore(settings.max_in_flight)
        self._workers = ThreadPoolExecutor(settings.prepare_workers, "prepare")

    async def caption(self, request: CaptionRequest) -> TimedCaption:
        """The caption of one image. Raises the image, file and engine errors of `errors`."""
        started = time.monotonic()
        client = self._engine.client
        async with self._in_flight:
            image_url = await asyncio.get_running_loop().run_in_executor(
                self._workers, self._prepare, request.image, client.is_local
            )
            arguments = to_arguments(request, image_url, self._engine.model)
            caption = to_caption(await client.complete(arguments))
        return TimedCaption(caption, time.monotonic() - started)

    def close(self) -> None:
        """Waits for no one: what is being decoded is of no use any more."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _prepare(self, source: str | bytes, engine_is_local: bool) -> str:
        data = source if isinstance(source, bytes) else read_file(source, self._limits)
        return to_data_url(prepare(data, self._limits), "bmp" if engine_is_local else "png")
