"""How a model is downloaded: by the real huggingface_hub, from a small hub of the test's own."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapter.config import PROJECT_DIR
from adapter.engine.fetch import Download, RemoteFile, measure

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b"{}",
    "model.safetensors": os.urandom(24 * 2**20),
    "README.md": b"not needed",
}
NEEDED_BYTES = len(FILES["config.json"]) + len(FILES["model.safetensors"])


def lfs(data: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"sha256": digest, "oid": digest, "size": len(data), "pointerSize": 1}


@dataclass
class Hub:
    """A hub that sends half of a large file, and the rest once it may go on."""

    url: str = ""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    break_off: bool = False

    async def info(self, request: web.Request) -> web.Response:
        if request.match_info["name"] != "model":
            raise web.HTTPNotFound(headers={"X-Error-Code": "RepoNotFound"})
        return web.json_response({"id": "org/model", "sha": COMMIT, "siblings": self._files("blobId")})

    async def tree(self, request: web.Request) -> web.Response:
        return web.json_response([{"type": "file", **file} for file in self._files("oid")])

    def _files(self, blob: str) -> list[dict[str, Any]]:
        """Gives the files in the words of the hub's `info` and `tree`."""
        return [
            {"rfilename": name, "path": name, "size": len(data), blob: hashlib.sha1(data).hexdigest()}
            | ({"lfs": lfs(data)} if name.endswith(".safetensors") else {})
            for name, data in FILES.items()
        ]

    async def file(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"]
        data = FILES[name]
        digest = hashlib.sha256 if name.endswith(".safetensors") else hashlib.sha1
        headers = {
            "ETag": f'"{digest(data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Content-Length": str(len(data)),
        }
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        if self.break_off:
            assert request.transport is not None
            request.transport.abort()
            return response
        half = len(data) // 2
        await response.write(data[:half])
        if name.endswith(".safetensors"):
            await self.go_on.wait()
        await response.write(data[half:])
        return response


@pytest.fixture
async def hub() -> AsyncIterator[Hub]:
    hub = Hub()
    app = web.Application()
    app.router.add_get("/api/models/org/{name}", hub.info)
    app.router.add_get("/api/models/org/{name}/tree/{revision}", hub.tree)
    app.router.add_get("/api/models/org/{name}/revision/{revision}", hub.info)
    app.router.add_get("/org/model/resolve/{revision}/{file}", hub.file)
    async with TestServer(app) as server:
        hub.url = str(server.make_url("")).rstrip("/")
        yield hub


async def start(python: Path, hub_url: str, cache: Path, model: str) -> asyncio.subprocess.Process:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT_DIR), "HF_HOME": str(cache)}
    environment |= {"HF_ENDPOINT": hub_url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_DOWNLOAD_TIMEOUT": "5"}
    return await asyncio.create_subprocess_exec(
        str(python), "-m", "adapter.engine.fetch", model,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip


async def next_report(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    report: dict[str, Any] = json.loads(line.removeprefix(b"download: "))
    return report


async def test_fetch_reports_the_bytes_that_are_there(engine_python: Path, hub: Hub, tmp_path: Path) -> None:
    """It reports while a file is under way and at the end, and leaves what the engine doesn't need."""
    process = await start(engine_python, hub.url, tmp_path, "org/model")
    report = await next_report(process)
    while not NEEDED_BYTES // 4 < report["bytes_done"] < NEEDED_BYTES:
        report = await next_report(process)
    assert report["current_file"] == "model.safetensors"
    assert report["bytes_total"] == NEEDED_BYTES
    assert report["total_files"] == 2
    hub.go_on.set()
    while report["files_downloaded"] < 2:
        report = await next_report(process)
    assert report["bytes_done"] == NEEDED_BYTES
    assert await process.wait() == 0
    assert not list(tmp_path.rglob("README.md"))

    offline = await start(engine_python, "http://127.0.0.1:1", tmp_path, "org/model")
    assert await offline.wait() == 0, "a model in the cache needs no hub"


async def test_fetch_that_breaks_off_ends_with_one_line(
    engine_python: Path, hub: Hub, tmp_path: Path
) -> None:
    """The next start goes on from there."""
    hub.break_off = True
    hub.go_on.set()
    process = await start(engine_python, hub.url, tmp_path, "org/model")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"error: downloading org/model stopped: the connection failed" in errors
    hub.break_off = False
    again = await start(engine_python, hub.url, tmp_path, "org/model")
    await again.communicate()
    assert again.returncode == 0


@pytest.mark.parametrize(
    ("model", "error"),
    [
        ("org/none", b"error: there is no model org/none on the hub; check CAPTION_MODEL"),
        ("/no/such/folder", b"error: /no/such/folder is neither a folder nor a model's name"),
    ],
)
async def test_fetch_of_a_wrong_name_says_what_is_wrong_with_it(
    engine_python: Path, hub: Hub, tmp_path: Path, model: str, error: bytes
) -> None:
    """The message is one line."""
    process = await start(engine_python, hub.url, tmp_path, model)
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.startswith(error)


async def test_fetch_without_hub_and_cache_says_what_to_do(engine_python: Path, tmp_path: Path) -> None:
    """A local folder would need neither."""
    process = await start(engine_python, "http://127.0.0.1:1", tmp_path, "org/model")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.startswith(b"error: the hub can't be reached and org/model isn't in its cache")


def test_measure_counts_whole_and_partial_files(tmp_path: Path) -> None:
    """A partial file counts for what it has, and never for more than it will have."""
    files = [RemoteFile("a", 10, "aa"), RemoteFile("b", 20, "bb"), RemoteFile("c", 5, "cc")]
    (tmp_path / "aa").write_bytes(b"x" * 10)
    (tmp_path / "bb.1.incomplete").write_bytes(b"x" * 7)
    assert measure(files, tmp_path) == Download(17, 35, 1, 3, "b")
    (tmp_path / "bb.2.incomplete").write_bytes(b"x" * 70)
    assert measure(files, tmp_path).bytes_done == 30
    assert measure(files, tmp_path / "none") == Download(0, 35, 0, 3, "")
