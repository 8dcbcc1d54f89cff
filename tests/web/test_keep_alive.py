"""Answers that take long: they are begun in time, kept alive, and still JSON."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from aiohttp.test_utils import BaseTestServer, TestServer
from aiohttp.typedefs import Handler
from yarl import URL

from adapter.config import PROJECT_DIR
from adapter.errors import EngineError, ImageDamagedError
from adapter.trace import Trace
from adapter.web.access_log import TRACE
from adapter.web.delivery import Delivery
from adapter.web.error_response import answer_errors
from adapter.web.face import FACE, ErrorBody, Face
from adapter.web.keep_alive import KeepAlive
from adapter.web.legacy.fields import error_body
from tests.fake_engine import completion
from tests.waiting import until
from tests.web.conftest import Service


class Answers:
    """The handler of an application, which answers when it is told to; and what became of its work."""

    def __init__(self, keep_alive: KeepAlive) -> None:
        self.go_on = asyncio.Event()
        self.error: Exception | None = None
        self.cancelled = False
        self.late_error: ErrorBody | None = error_body
        self._keep_alive = keep_alive

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers a request."""
        return await self._keep_alive.answer(request, self._work(), self.late_error)

    async def _work(self) -> dict[str, Any]:
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error is not None:
            raise self.error
        return {"success": True}


@web.middleware
async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives the request a trace, as the access log does."""
    request[TRACE] = Trace()
    return await handler(request)


@pytest.fixture
async def slow() -> AsyncIterator[tuple[Answers, BaseTestServer]]:
    answers = Answers(KeepAlive(plain_answer_s=0.2, keep_alive_s=0.05, delivery=Delivery(20)))
    app = web.Application(middlewares=[traced, answer_errors])
    app[FACE] = Face("test", error_body)
    app.router.add_get("/", answers.handle)
    async with TestServer(app) as server:
        yield answers, server


async def test_answer_in_time_is_plain(slow: tuple[Answers, BaseTestServer]) -> None:
    """With its length."""
    answers, server = slow
    answers.go_on.set()
    async with ClientSession() as session, session.get(server.make_url("/")) as response:
        assert response.headers["Content-Length"] == str(len(await response.read()))
        assert response.content_type == "application/json"


async def test_error_in_time_has_its_status(slow: tuple[Answers, BaseTestServer]) -> None:
    """An error that comes in time is answered as if nothing kept answers alive."""
    answers, server = slow
    answers.go_on.set()
    answers.error = ImageDamagedError("damaged")
    async with ClientSession() as session, session.get(server.make_url("/")) as response:
        assert response.status == 422
        assert (await response.json())["error"] == "damaged"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, {"success": True}),
        (EngineError("The engine failed"), {"success": False, "error": "The engine failed"}),
        (
            RuntimeError("secret"),
            {"success": False, "error": "Internal error; the service's log has the details"},
        ),
    ],
)
async def test_late_answer_is_white_space_and_then_json(
    slow: tuple[Answers, BaseTestServer], error: Exception | None, expected: dict[str, Any]
) -> None:
    """200 and chunked, whatever comes."""
    answers, server = slow
    answers.error = error
    async with ClientSession() as session, session.get(server.make_url("/")) as response:
        assert response.status == 200
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert [await response.content.read(1) for _ in range(4)] == [b" "] * 4
        answers.go_on.set()
        rest = await response.read()
        assert json.loads(rest) == expected
        assert rest.strip() == json.dumps(expected, separators=(",", ":")).encode()


async def test_late_error_without_a_body_ends_the_connection(
    slow: tuple[Answers, BaseTestServer],
) -> None:
    """So that no client takes half an answer for a whole one."""
    answers, server = slow
    answers.late_error = None
    answers.error = EngineError("The engine failed")
    async with ClientSession() as session, session.get(server.make_url("/")) as response:
        assert await response.content.read(1) == b" "
        answers.go_on.set()
        with pytest.raises(ClientError):
            await response.read()


async def test_late_answer_to_a_client_that_left_is_cancelled(slow: tuple[Answers, BaseTestServer]) -> None:
    """Its work ends."""
    answers, server = slow
    async with ClientSession() as session:
        response = await session.get(server.make_url("/"))
        await response.content.read(1)
        response.close()
    await until(lambda: answers.cancelled)


COMPLETIONS = "/v1/chat/completions"
NODE_FETCH = """
await fetch("data:,").catch(() => {});
const Agent = globalThis[Symbol.for("undici.globalDispatcher.1")].constructor;
const dispatcher = new Agent({ headersTimeout: 2000, bodyTimeout: 2000 });
const [url, image_path] = process.argv.slice(1);
try {
  const response = await fetch(url, {
    method: "POST", dispatcher,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ image_path }),
  });
  console.log(JSON.stringify({ status: response.status, body: await response.json() }));
} catch (error) {
  console.log(JSON.stringify({ error: error.cause?.code ?? String(error) }));
}
"""


@pytest.mark.parametrize("starting", [{"plain_answer_s": 1.0}], indirect=True)
async def test_nodes_fetch_survives_a_long_answer(service: Service, picture: Path) -> None:
    """Node's fetch has the service's answer, after it has given up on the engine itself, twice over.

    Its timeouts of 300 s are scaled to 2 s, ours of 30 and 15 s as much.
    """
    given_up = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await given_up.wait()
        return web.json_response(completion("It comes late, but it comes."))

    async def fetch(url: URL) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *("node", "--input-type=module", "-e", NODE_FETCH, str(url), str(picture)),
            stdout=subprocess.PIPE,
            cwd=PROJECT_DIR,
        )
        output, _ = await process.communicate()
        answer: dict[str, Any] = json.loads(output)
        return answer

    service.engine.answer = late
    fetching = asyncio.create_task(fetch(service.server.make_url("/caption")))
    await until(lambda: service.engine.under_way == 1)
    for _ in range(2):  # once for the headers, once for the body
        plainly = await fetch(service.engine_server.make_url(COMPLETIONS))
        assert plainly == {"error": "UND_ERR_HEADERS_TIMEOUT"}
    given_up.set()
    answer = await fetching
    assert answer["status"] == 200
    assert answer["body"]["caption"] == "It comes late, but it comes."
