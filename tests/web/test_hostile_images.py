"""Hundreds of files that mean harm: none ends the service or gets a 500, and the others get captions."""

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.hostile import hostile_files
from tests.processes import descendants
from tests.web.conftest import Service

AT_ONE_TIME = 8
# tests/hostile.py makes these as right pictures, so they must have captions.
RIGHT = tuple(
    "1x1 1x60000 60000x1 500-frames frames pages cmyk mode progressive exif icc orientation "
    "gif-script jpeg-zip png-png tiff_ packbits".split()
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes the files into a folder."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, data in hostile_files():
        (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize("starting", [{"max_file_bytes": 64 * 2**20}], indirect=True)
async def test_hostile_files_get_422_and_right_ones_their_captions(service: Service, folder: Path) -> None:
    """Each is asked about by itself, several at one time."""
    files = sorted(folder.iterdir())
    assert len(files) >= 300
    room = asyncio.Semaphore(AT_ONE_TIME)
    answers: dict[str, tuple[int, dict[str, object], float]] = {}

    async def ask(path: Path) -> None:
        async with room:
            started = time.monotonic()
            status, body = await service.post("/caption", {"image_path": str(path)})
            answers[path.name] = (status, body, time.monotonic() - started)

    await asyncio.gather(*map(ask, files))
    for name, (status, body, _) in answers.items():
        assert status in (200, 422), (name, body)
        assert body["success"] is (status == 200)
        if status == 422:
            assert "\n" not in str(body["error"])
            assert str(folder) not in str(body["error"])
        if name.startswith(RIGHT):
            assert status == 200, (name, body)
    assert sum(status == 422 for status, _, _ in answers.values()) > 100


@pytest.mark.parametrize("starting", [{"max_file_bytes": 64 * 2**20, "max_in_flight": 400}], indirect=True)
async def test_a_batch_of_hostile_files_has_an_answer_for_each(service: Service, folder: Path) -> None:
    """The results keep the order, though all are in flight together."""
    files = [str(path) for path in sorted(folder.iterdir())]
    status, body = await service.post("/batch_caption", {"image_paths": files})
    assert status == 200
    assert [result["image_path"] for result in body["results"]] == files
    assert body["successful_captions"] + body["failed_captions"] == len(files)
    assert all(result["success"] or result["error"] for result in body["results"])


async def test_killed_workers_cost_no_caption(service: Service, picture: Path) -> None:
    """An image whose process was killed is decoded again."""
    stop = asyncio.Event()
    killed = 0

    async def kill() -> None:
        nonlocal killed
        while not stop.is_set():
            for pid, command in descendants().items():
                if b"adapter.images.worker" in command:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                        killed += 1
            await asyncio.sleep(0.5)

    killing = asyncio.create_task(kill())
    answers = [await service.post("/batch_caption", {"image_paths": [str(picture)] * 20}) for _ in range(5)]
    stop.set()
    await killing
    assert [body["successful_captions"] for _, body in answers] == [20] * 5
    assert killed
