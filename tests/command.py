"""The command as people run it: a process of its own, with a fake engine in this one."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from PIL import Image

from adapter.engine.selfcheck import PROBE_TOKENS
from tests.fake_engine import FakeEngine, completion

RUN_LIMIT_S = 60
PROMPT = "Write a descriptive caption for this image in a formal tone."
KINDS = {"jpg": "JPEG", "tif": "TIFF"}


@dataclass
class Ended:
    """What a run leaves to be seen."""

    code: int
    output: str
    errors: str

    @property
    def json(self) -> dict[str, Any]:
        whole: dict[str, Any] = json.loads(self.output)
        return whole


class Started:
    """A run under way. Its output is read as it comes."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._told = ""
        self._changed = asyncio.Event()
        self._output = asyncio.create_task(process.stdout.read())
        self._errors = asyncio.create_task(self._read_errors(process.stderr))

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def until_told(self, text: str) -> None:
        """Waits until the run has written `text` to standard error."""
        async with asyncio.timeout(RUN_LIMIT_S):
            while text not in self._told:
                assert not self._errors.done(), f"the run has ended without it: {self._told}"
                self._changed.clear()
                await self._changed.wait()

    async def end(self, limit_s: float = RUN_LIMIT_S) -> Ended:
        """Waits up to `limit_s` for the run's end."""
        async with asyncio.timeout(limit_s):
            output, _ = await asyncio.gather(self._output, self._errors)
            code = await self._process.wait()
        return Ended(code, output.decode(), self._told)

    async def _read_errors(self, stream: asyncio.StreamReader) -> None:
        while piece := await stream.read(2**16):
            self._told += piece.decode()
            self._changed.set()
        self._changed.set()


@dataclass
class Command:
    """`joycaption` with a dataset of its own."""

    engine: FakeEngine
    server: TestServer
    folder: Path
    environment: dict[str, str]

    async def start(
        self, *arguments: str | bytes | Path, stdin: bytes | int | None = None, **environment: str
    ) -> Started:
        """Starts `joycaption`. `stdin` is what it reads, or a descriptor that it reads from."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "adapter",
            *arguments,
            cwd=self.folder,
            env=self.environment | environment,
            stdin=asyncio.subprocess.PIPE
            if isinstance(stdin, bytes)
            else stdin or asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        if isinstance(stdin, bytes):
            assert process.stdin is not None
            process.stdin.write(stdin)
            process.stdin.close()
        return Started(process)

    async def run(self, *arguments: str | bytes | Path, **environment: str) -> Ended:
        """Runs `joycaption`."""
        return await (await self.start(*arguments, stdin=None, **environment)).end()

    async def caption(
        self, *arguments: str | bytes | Path, stdin: bytes | None = None, **environment: str
    ) -> Ended:
        """Runs `joycaption caption`, of the whole folder unless told otherwise."""
        given = arguments if arguments and not str(arguments[0]).startswith("--") else (".", *arguments)
        return await (await self.start("caption", *given, stdin=stdin, **environment)).end()

    def picture(self, name: str, shade: int = 0) -> Path:
        """Writes a picture into a file; each shade is another."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        ending = path.suffix[1:].lower()
        Image.new("RGB", (20, 10), (shade % 256, shade // 256, 99)).save(path, KINDS.get(ending, ending))
        return path

    def pictures(self, count: int) -> None:
        """Writes so many pictures, `0.png` and so on, each of a shade of its own."""
        for number in range(count):
            self.picture(f"{number}.png", number)

    def text(self, name: str) -> str:
        return (self.folder / name).read_text()

    def texts(self) -> dict[str, str]:
        """Gives all text files by their paths."""
        return {str(path.relative_to(self.folder)): path.read_text() for path in self.folder.rglob("*.txt")}

    def asked(self) -> list[dict[str, Any]]:
        """Gives the requests for captions, without those of the self-check."""
        return [body for body in self.engine.asked if not is_check(body)]

    def prompts(self) -> list[str]:
        """Gives the prompts that the engine got, one per caption."""
        return [body["messages"][1]["content"][1]["text"] for body in self.asked()]

    def answer_captions(
        self, answer: Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]
    ) -> None:
        """Has the engine answer requests for captions by `answer`, and its self-check as always."""

        async def either(request: web.Request) -> web.StreamResponse:
            body = await request.json()
            if is_check(body):
                return web.json_response(completion(f"a check {len(self.engine.asked)}"))
            return await answer(request, body)

        self.engine.answer = either

    def answer_after(self, event: asyncio.Event) -> None:
        """Has the engine answer requests for captions once the event is set."""

        async def wait(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            await event.wait()
            return web.json_response(completion(f"a picture numbered {len(self.engine.asked)}"))

        self.answer_captions(wait)

    def hold_after(self, count: int) -> asyncio.Event:
        """Has the engine hold all but the first requests for captions until the event is set."""
        go_on = asyncio.Event()

        async def answer(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
            number = len(self.asked())
            if number > count:
                await go_on.wait()
            return web.json_response(completion(f"a picture numbered {number}"))

        self.answer_captions(answer)
        return go_on


def is_check(body: dict[str, Any]) -> bool:
    """Tells whether it is the self-check that asks."""
    return bool(body["max_tokens"] == PROBE_TOKENS)
