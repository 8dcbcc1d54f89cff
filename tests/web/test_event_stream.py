"""Events to a client, and comments that keep it there while none come."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapter.web.delivery import Delivery
from adapter.web.event_stream import COMMENT, EventStream

Send = Callable[[EventStream], Awaitable[None]]


@pytest.fixture
async def answers() -> AsyncIterator[tuple[list[Send], ClientSession]]:
    """Gives a list, and a client of a server that answers by the function in it."""
    sends: list[Send] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        events = EventStream(request, Delivery(20))
        async with events.kept_alive(0.2, 0.05):
            await sends[0](events)
        return await events.end()

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestServer(app) as server, ClientSession(server.make_url("/")) as session:
        yield sends, session


async def test_an_event_is_sent_as_soon_as_it_comes(answers: tuple[list[Send], ClientSession]) -> None:
    """The client has it before there is another."""
    sends, session = answers
    go_on = asyncio.Event()

    async def send(events: EventStream) -> None:
        await events.send(b"data: 1\n\n")
        await go_on.wait()
        await events.send(b"data: 2\n\n")

    sends.append(send)
    async with session.get("/") as response:
        assert response.content_type == "text/event-stream"
        assert await response.content.readexactly(9) == b"data: 1\n\n"
        go_on.set()
        assert (await response.content.read()).replace(COMMENT, b"") == b"data: 2\n\n"


async def test_silence_is_filled_with_comments(answers: tuple[list[Send], ClientSession]) -> None:
    """Every client skips them."""
    sends, session = answers
    go_on = asyncio.Event()

    async def send(events: EventStream) -> None:
        await go_on.wait()
        await events.send(b"data: 1\n\n")

    sends.append(send)
    async with session.get("/") as response:
        assert await response.content.readexactly(3 * len(COMMENT)) == 3 * COMMENT
        go_on.set()
        assert (await response.content.read()).endswith(b"data: 1\n\n")
