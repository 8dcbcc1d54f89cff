"""From sources to data URLs."""

import asyncio
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from adapter.config import Settings
from adapter.decoding.preparation import READERS, Preparation
from adapter.errors import FileMissingError, ImageTooLargeError, NotAnImageError
from adapter.sources import ImageBytes, ImageFile, ImageLimits
from adapter.trace import Trace
from tests.decoding.test_pool import GOOD
from tests.waiting import until


async def test_data_url_tells_where_the_time_went(picture: Path) -> None:
    """In stages."""
    preparation = Preparation(Settings(prepare_workers=1))
    trace = Trace()
    url = await preparation.data_url(ImageFile(str(picture)), "bmp", trace)
    assert orjson.loads(orjson.dumps(url)).startswith("data:image/bmp;")
    assert set(trace.seconds) == {"read", "prepare"}
    await preparation.close()


async def test_errors_of_files_and_images_come_out(tmp_path: Path) -> None:
    """By their own names."""
    preparation = Preparation(Settings(prepare_workers=1, max_file_bytes=100, max_image_pixels=10))
    with pytest.raises(FileMissingError):
        await preparation.inspect(ImageFile(str(tmp_path / "none")))
    with pytest.raises(ImageTooLargeError, match="100 bytes"):
        await preparation.inspect(ImageBytes(GOOD))
    with pytest.raises(NotAnImageError):
        await preparation.data_url(ImageBytes(b"text"), "bmp", Trace())
    await preparation.close()


@dataclass(frozen=True)
class SlowSource:
    """Bytes that come when `go_on` is set."""

    go_on: threading.Event
    begun: list[int]

    def read(self, limits: ImageLimits) -> bytes:
        self.begun.append(1)
        assert self.go_on.wait(20)
        return GOOD


async def test_no_more_files_are_in_memory_than_are_read_at_one_time() -> None:
    """However many are asked for; and what is given up while it is read leaves no descriptor."""
    preparation = Preparation(Settings(prepare_workers=1))
    await preparation.data_url(ImageBytes(GOOD), "bmp", Trace())
    descriptors = len(os.listdir("/proc/self/fd"))
    slow = SlowSource(threading.Event(), [])
    asked = [asyncio.create_task(preparation.data_url(slow, "bmp", Trace())) for _ in range(READERS * 2)]
    await until(lambda: len(slow.begun) == READERS)
    for task in asked[:5]:
        task.cancel()
    await asyncio.gather(*asked[:5], return_exceptions=True)
    slow.go_on.set()
    assert len(await asyncio.gather(*asked[5:])) == READERS * 2 - 5
    await until(lambda: len(os.listdir("/proc/self/fd")) == descriptors)
    await preparation.close()
