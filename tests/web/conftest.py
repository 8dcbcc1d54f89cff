"""Runs the whole service on a real socket, with a fake engine behind it."""

import io
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapter.caption.prompts import PromptBook
from adapter.settings import Settings
from adapter.web.app_keys import FLEET
from adapter.web.application import make_app
from tests.fake_engine import FakeEngine

PLAIN_ANSWER_S = 3.0  # beside other tests an answer may take a second
KEEP_ALIVE_S = 0.2


@dataclass
class Service:
    """The running service, its engine, and a client of it."""

    engine: FakeEngine
    engine_server: TestServer
    app: web.Application
    server: TestServer
    session: ClientSession
    stopped: list[bool]

    async def get(self, path: str) -> tuple[int, Any]:
        """Gives the status and the JSON of an answer."""
        async with self.session.get(self.server.make_url(path)) as response:
            return response.status, await response.json()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Sends `body` as JSON, and gives the status and the JSON of the answer."""
        return await self.post_raw(path, json.dumps(body).encode())

    async def post_raw(self, path: str, body: bytes) -> tuple[int, Any]:
        """Sends `body` as if it were JSON, and gives the status and the JSON of the answer."""
        headers = {"Content-Type": "application/json"}
        url = self.server.make_url(path)
        async with self.session.post(url, data=io.BytesIO(body), headers=headers) as response:
            return response.status, await response.json()

    @property
    def last_asked(self) -> dict[str, Any]:
        """What the engine was asked last."""
        return self.engine.asked[-1]


@pytest.fixture
async def starting(
    book: PromptBook, request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Service]:
    """Gives a service whose engine isn't healthy yet. A parameter holds more settings."""
    engine = FakeEngine(healthy=False)
    engine_server = await engine.start()
    settings = Settings.load(
        {
            "engine_url": str(engine_server.make_url("")),
            "engine_timeout_s": 20,
            "data_dir": tmp_path / "data",
            "max_file_bytes": 10**6,
            "max_body_bytes": 10**5,
            "max_in_flight": 40,
            "max_queue": 60,
            "drain_s": 0.5,
            "plain_answer_s": PLAIN_ANSWER_S,
            "keep_alive_s": KEEP_ALIVE_S,
        }
        | getattr(request, "param", {})
    )
    stopped: list[bool] = []
    app = make_app(settings, book.model_copy(deep=True), stop=lambda: stopped.append(True))
    server = TestServer(app)
    await server.start_server()
    async with ClientSession() as session:
        yield Service(engine, engine_server, app, server, session, stopped)
    await server.close()
    await engine_server.close()


@pytest.fixture
async def service(starting: Service) -> Service:
    """Gives a service that is ready."""
    starting.engine.healthy = True
    assert (await starting.app[FLEET].until_ready()).ready
    starting.engine.asked.clear()
    return starting
