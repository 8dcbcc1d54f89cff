"""A start that finds its port taken."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapter.errors import SettingsError
from adapter.settings import Settings
from adapter.web.application import bind
from adapter.web.predecessor import Predecessor, is_taken, settle
from tests.web.conftest import Service


async def found_at(server: TestServer) -> Predecessor:
    return await asyncio.to_thread(settle, "127.0.0.1", server.port or 0)


class GivenUp:
    """What a service answers that has given up. `ends` tells whether it does so when it is told to."""

    def __init__(self, *, ends: bool) -> None:
        self.ends = ends
        app = web.Application()
        app.router.add_get("/health", self.health)
        app.router.add_post("/shutdown", self.shutdown)
        self.server = TestServer(app)
        self._ending: asyncio.Task[None] | None = None

    async def health(self, request: web.Request) -> web.Response:
        progress = {"status": "error", "message": "There is no such model"}
        body = {"status": "healthy", "model_loaded": False, "engine": "failed", "loading_progress": progress}
        return web.json_response(body)

    async def shutdown(self, request: web.Request) -> web.Response:
        if not self.ends:
            return web.json_response({"error": "no"}, status=403)
        self._ending = asyncio.create_task(self.server.close())
        return web.json_response({"status": "shutting_down"})


@pytest.fixture
async def given_up(request: pytest.FixtureRequest) -> AsyncIterator[TestServer]:
    one = GivenUp(ends=request.param)
    await one.server.start_server()
    yield one.server
    await one.server.close()


async def test_a_service_that_is_well_is_left_alone(service: Service) -> None:
    """A second start ends well, with a line that says so."""
    assert await found_at(service.server) is Predecessor.WELL
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapter", "serve", "--port", str(service.server.port)),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"CAPTION_ENGINE_URL": "http://127.0.0.1:1"},
    )
    _, told = await process.communicate()
    assert process.returncode == 0
    assert b"a service runs on port" in told
    assert not service.stopped


async def test_a_service_that_starts_is_well(starting: Service) -> None:
    """Its engine is on its way."""
    assert await found_at(starting.server) is Predecessor.WELL


@pytest.mark.parametrize("given_up", [True], indirect=True)
async def test_a_service_that_has_given_up_is_ended(given_up: TestServer) -> None:
    """Then its port is free."""
    port = given_up.port or 0
    assert await found_at(given_up) is Predecessor.ENDED
    bind(Settings(port=port)).close()


@pytest.mark.parametrize("given_up", [False], indirect=True)
async def test_a_service_that_does_not_end_counts_as_foreign(given_up: TestServer) -> None:
    """As it may be somebody else's."""
    assert await found_at(given_up) is Predecessor.FOREIGN


@pytest.mark.parametrize(
    "answer",
    [
        [],
        "text",
        {},
        {"status": "healthy"},
        {"status": "healthy", "model_loaded": "yes"},
        {"status": "healthy", "model_loaded": False},
        {"status": "ok", "model_loaded": True},
    ],
)
async def test_anything_else_is_foreign(answer: Any) -> None:
    """Whatever it answers, it is told nothing more."""
    asked: list[str] = []

    async def tell(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path}")
        return web.json_response(answer)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", tell)
    server = TestServer(app)
    await server.start_server()
    assert await found_at(server) is Predecessor.FOREIGN
    assert asked == ["GET /health"]
    await server.close()


def test_a_port_that_is_taken_is_told_from_other_mistakes() -> None:
    """Only then somebody can be asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for settings, expected in (
            (Settings(port=taken.getsockname()[1]), True),
            (Settings(host="none.invalid"), False),
        ):
            with pytest.raises(SettingsError) as caught:
                bind(settings)
            assert is_taken(caught.value.__cause__) is expected
