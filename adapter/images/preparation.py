"""From an image's source to the data URL that the engine gets: read in a thread, decoded in a process."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import orjson
import pybase64

from adapter.errors import OutOfResourcesError
from adapter.images.memory import Memory
from adapter.images.parcel import Parcel
from adapter.images.pixels import Kind
from adapter.images.pool import Decoders, DecodingLimits
from adapter.images.sources import ImageLimits, ImageSource
from adapter.settings import ImageSettings
from adapter.trace import Trace
from adapter.turns import Turns

# Files that are in memory at one time while they are read or wait for a decoder. Reading takes no core, and
# on a network disk one file may take seconds.
READERS = 32
MAX_HELD_BYTES = 2**29  # of all files that were read and aren't decoded yet


class Preparation:
    """Prepares images within the limits of `settings`, from below `roots` only, or from anywhere if None.

    Must be closed.
    """

    def __init__(self, settings: ImageSettings, roots: tuple[str, ...] | None = None) -> None:
        self._limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels, roots)
        self._room = Turns(lambda: READERS)
        self._memory = Memory(MAX_HELD_BYTES)
        self._readers = ThreadPoolExecutor(READERS, "read")
        self._decoders = Decoders(
            settings.prepare_workers,
            DecodingLimits(
                settings.max_image_pixels,
                settings.decode_memory_bytes,
                settings.decode_s,
                settings.exact_pixels,
            ),
        )

    async def data_url(self, image: ImageSource, kind: Kind, trace: Trace, rank: int = 0) -> orjson.Fragment:
        """Gives the prepared image, see `pixels.prepare`, as a JSON string that goes into a body as it is.

        The lowest rank goes first, so that a batch of images that take long holds up no others. Raises the
        image and file errors of `errors`.
        """
        return orjson.Fragment(await self._prepare(image, kind, trace, rank))

    async def thumbnail(self, image: ImageSource, rank: int = 0) -> bytes:
        """Gives a small picture of the image, see `pixels.thumbnail`, as a WebP file.

        Raises the image and file errors of `errors`.
        """
        return await self._webp(image, "webp", rank)

    async def whole(self, image: ImageSource, rank: int = 0) -> bytes:
        """Gives the whole picture, see `pixels.whole`, as `thumbnail` does."""
        return await self._webp(image, "whole", rank)

    async def _webp(self, image: ImageSource, kind: Kind, rank: int) -> bytes:
        url = await self._prepare(image, kind, Trace(), rank)
        return pybase64.b64decode(url.strip(b'"').partition(b",")[2])

    async def inspect(self, image: ImageSource, rank: int = 0) -> None:
        """Checks the image's file and header, without decoding its pixels. Raises what `data_url` raises."""
        async with self._room.turn(rank):
            await self._decoders.inspect(await self._read(image), rank)

    async def _prepare(self, image: ImageSource, kind: Kind, trace: Trace, rank: int) -> bytes:
        async with self._room.turn(rank):
            with trace.stage("read"):
                parcel = await self._read(image)
            with trace.stage("prepare"):
                return await self._decoders.prepare(parcel, kind, rank)

    async def close(self) -> None:
        """Ends the processes. It waits for no thread: what is still being read is of no use any more."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        await self._decoders.close()

    async def _read(self, image: ImageSource) -> Parcel:
        reading = asyncio.get_running_loop().run_in_executor(self._readers, self._read_now, image)
        try:
            return await asyncio.shield(reading)
        except asyncio.CancelledError:
            reading.add_done_callback(_close)
            raise

    def _read_now(self, image: ImageSource) -> Parcel:
        with contextlib.ExitStack() as unused:
            reserved = unused.enter_context(self._memory.reserved())
            data = image.read(replace(self._limits, reserve=reserved.more))
            try:
                parcel = Parcel.of(data)
            except OSError as error:
                raise OutOfResourcesError.from_os(error) from error
            parcel.when_closed(unused.pop_all().close)
            return parcel


def _close(reading: asyncio.Future[Parcel]) -> None:
    """Closes the parcel of an image that nobody waits for any more."""
    if not reading.cancelled() and reading.exception() is None:
        reading.result().close()
