"""From an image's source to the data URL that the engine gets."""

import asyncio
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from adapter.errors import FileMissingError, FileNotAllowedError, ImageTooLargeError, NotAnImageError
from adapter.images.pixels import Kind
from adapter.images.preparation import READERS, Preparation
from adapter.images.sources import ImageBytes, ImageFile, ImageLimits
from adapter.settings import ImageSettings
from adapter.trace import Trace
from tests.pictures import GREY_PNG
from tests.waiting import until

KINDS: tuple[Kind, ...] = ("bmp", "png")


async def test_data_url_of_either_kind_tells_where_the_time_went(picture: Path) -> None:
    """The trace has the seconds of both stages, and the URL is JSON that is written already."""
    preparation = Preparation(ImageSettings(prepare_workers=1))
    trace = Trace()
    for kind in KINDS:
        url = await preparation.data_url(ImageFile(str(picture)), kind, trace)
        assert orjson.loads(orjson.dumps(url)).startswith(f"data:image/{kind};")
    assert set(trace.seconds) == {"read", "prepare"}
    await preparation.close()


async def test_inspect_and_data_url_of_what_is_no_good_image_raise_its_error(tmp_path: Path) -> None:
    """Errors of files, bytes and pixels come out as they were raised."""
    preparation = Preparation(ImageSettings(prepare_workers=1, max_file_bytes=100, max_image_pixels=10))
    with pytest.raises(FileMissingError):
        await preparation.inspect(ImageFile(str(tmp_path / "none")))
    with pytest.raises(ImageTooLargeError, match="100 bytes"):
        await preparation.inspect(ImageBytes(GREY_PNG))
    with pytest.raises(NotAnImageError):
        await preparation.data_url(ImageBytes(b"text"), "bmp", Trace())
    await preparation.close()


async def test_inspect_outside_of_the_roots_is_not_allowed(tmp_path: Path, picture: Path) -> None:
    """The roots are handed over beside the settings, for only the service has any."""
    (tmp_path / "root").mkdir()
    preparation = Preparation(ImageSettings(prepare_workers=1), (str(tmp_path / "root"),))
    with pytest.raises(FileNotAllowedError):
        await preparation.inspect(ImageFile(str(picture)))
    picture.rename(tmp_path / "root/in.png")
    await preparation.inspect(ImageFile(str(tmp_path / "root/in.png")))
    await preparation.close()


@dataclass(frozen=True)
class SlowSource:
    """An image whose bytes come once `go_on` is set."""

    go_on: threading.Event
    begun: list[int]

    def read(self, limits: ImageLimits) -> bytes:
        self.begun.append(1)
        assert self.go_on.wait(20)
        return GREY_PNG


async def test_data_url_of_many_images_reads_no_more_than_a_few_at_one_time() -> None:
    """However many are asked for, few are in memory, and a request that is given up leaves no file open."""
    preparation = Preparation(ImageSettings(prepare_workers=1))
    await preparation.data_url(ImageBytes(GREY_PNG), "bmp", Trace())
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
