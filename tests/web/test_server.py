"""The service on its socket."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapter.web.server import limited, run


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.fixture
async def app() -> web.Application:
    """Gives an application with one answer."""
    app = web.Application()
    app.router.add_get("/", hello)
    return app


@pytest.fixture
async def address(app: web.Application) -> AsyncIterator[tuple[str, int]]:
    """Serves the application to two connections at one time, and gives its address."""
    server = TestServer(app)
    await server.start_server()
    assert server.runner is not None
    assert server.runner.server is not None
    factory = limited(server.runner.server, 2)
    listening = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[:2]
    listening.close()
    await server.close()


async def test_limited_refuses_more_connections(address: tuple[str, int]) -> None:
    """They are told so, and have their turn once others have left."""
    held = [await asyncio.open_connection(*address) for _ in range(2)]
    async with ClientSession(f"http://{address[0]}:{address[1]}") as session, asyncio.timeout(20):
        async with session.get("/") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        while True:
            async with session.get("/") as response:
                if response.status == 200:
                    assert await response.text() == "hello"
                    return


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_ends_in_order_with_a_signal(number: signal.Signals) -> None:
    """The application puts away what it holds."""
    told: list[str] = []
    app = web.Application()
    listener = socket.create_server(("127.0.0.1", 0))

    async def held(app: web.Application) -> AsyncIterator[None]:
        told.append("begun")
        asyncio.get_running_loop().call_later(0.1, signal.raise_signal, number)
        yield
        told.append("ended")

    app.cleanup_ctx.append(held)
    before = signal.getsignal(number)
    try:
        run(app, listener, asyncio.new_event_loop(), max_connections=9, backlog=9)
    finally:
        signal.signal(number, before)
        listener.close()
    assert told == ["begun", "ended"]
