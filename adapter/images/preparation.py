"""From an image's source to the data URL that the engine gets: read in a thread, decoded in a process."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import orjson

from adapter.errors import OutOfResourcesError
from adapter.images.parcel import Parcel
from adapter.images.pixels import Kind
from adapter.images.pool import Decoders, DecodingLimits
from adapter.images.sources import ImageLimits, ImageSource
from adapter.settings import ImageSettings
from adapter.trace import Trace

# Files that are in memory at one time while they are read or wait for a decoder. Reading takes no core, and
# on a network disk one file may take seconds.
READERS = 32


class Preparation:
    """Prepares images within the limits of `settings`, from below `roots` only, or from anywhere if None.

    Must be closed.
    """

    def __init__(self, settings: ImageSettings, roots: tuple[str, ...] | None = None) -> None:
        self._limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels, roots)
        self._room = asyncio.Semaphore(READERS)
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

    async def data_url(self, image: ImageSource, kind: Kind, trace: Trace) -> orjson.Fragment:
        """Gives the prepared image, see `pixels.prepare`, as a JSON string that goes into a body as it is.

        Raises the image and file errors of `errors`.
        """
        async with self._room:
            with trace.stage("read"):
                parcel = await self._read(image)
            with trace.stage("prepare"):
                return orjson.Fragment(await self._decoders.prepare(parcel, kind))

    async def inspect(self, image: ImageSource) -> None:
        """Checks the image's file and header, without decoding its pixels. Raises what `data_url` raises."""
        async with self._room:
            await self._decoders.inspect(await self._read(image))

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
        data = image.read(self._limits)
        try:
            return Parcel.of(data)
        except OSError as error:
            raise OutOfResourcesError.from_os(error) from error


def _close(reading: asyncio.Future[Parcel]) -> None:
    """Closes the parcel of an image that nobody waits for any more."""
    if not reading.cancelled() and reading.exception() is None:
        reading.result().close()
