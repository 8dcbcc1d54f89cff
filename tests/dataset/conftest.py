"""The command as people run it, with a fake engine in this process."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from PIL import Image

from adapter.config import PROJECT_DIR, Settings, environment_name
from adapter.prompts import PromptBook
from tests.fake_engine import FakeEngine

RUN_LIMIT_S = 60
PROMPT = "Write a descriptive caption for this image in a formal tone."


@dataclass
class Ended:
    """What a run left to see."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        whole: dict[str, Any] = json.loads(self.output)
        return whole


@dataclass
class Started:
    """A run under way."""

    process: asyncio.subprocess.Process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def end(self) -> Ended:
        async with asyncio.timeout(RUN_LIMIT_S):
            output, errors = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(self.process.returncode, output.decode(), errors.decode())


@dataclass
class Command:
    """`joycaption` with a dataset of its own."""

    engine: FakeEngine
    server: TestServer
    folder: Path
    environment: dict[str, str]

    async def start(self, *arguments: str | Path, stdin: bytes | None = None) -> Started:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "adapter",
            *map(str, arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        if stdin is not None:
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
        return Started(process)

    async def caption(self, *arguments: str | Path, stdin: bytes | None = None) -> Ended:
        """`joycaption caption`, of the whole folder unless told otherwise."""
        given = arguments if arguments and not str(arguments[0]).startswith("--") else (".", *arguments)
        return await (await self.start("caption", *given, stdin=stdin)).end()

    def picture(self, name: str, shade: int = 0) -> Path:
        """A picture in a file; each shade is another."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        kind = {"jpg": "JPEG", "tif": "TIFF"}.get(path.suffix[1:].lower(), path.suffix[1:].upper())
        Image.new("RGB", (20, 10), (shade % 256, shade // 256, 99)).save(path, kind)
        return path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def texts(self) -> dict[str, str]:
        """All sidecars."""
        return {str(path.relative_to(self.folder)): path.read_text() for path in self.folder.rglob("*.txt")}

    def asked(self) -> list[dict[str, Any]]:
        """The requests for captions, those of the self-check left out."""
        return [body for body in self.engine.asked if body["max_tokens"] != 24]

    def prompts(self) -> list[str]:
        return [body["messages"][1]["content"][1]["text"] for body in self.asked()]


@pytest.fixture
async def command(tmp_path: Path, book: PromptBook) -> AsyncIterator[Command]:
    engine = FakeEngine()
    server = await engine.start()
    folder = tmp_path / "data set"
    folder.mkdir()
    ours = {environment_name(name) for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment |= {
        "CAPTION_ENGINE_URL": str(server.make_url("")),
        "CAPTION_RUN_DIR": str(tmp_path / "run"),
        "PYTHONPATH": str(PROJECT_DIR),
    }
    yield Command(engine, server, folder, environment)
    await server.close()
