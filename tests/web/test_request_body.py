"""The sum of all bodies, and clients that don't send theirs."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from adapter.web.app_keys import BODIES
from tests.fake_engine import completion
from tests.waiting import until
from tests.web.conftest import Service

ALLOWED_BYTES = 40_000


@pytest.mark.parametrize("starting", [{"max_queue_bytes": ALLOWED_BYTES}], indirect=True)
async def test_bodies_beyond_the_sum_are_refused_at_once_and_the_rest_is_finished(service: Service) -> None:
    """They get 503 and Retry-After, whether they tell their length beforehand or not."""
    go_on = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.json_response(completion("done"))

    service.engine.answer = wait
    message = {"role": "user", "content": "x" * (ALLOWED_BYTES - 5000)}
    body = {"model": "joycaption", "messages": [message]}
    first = asyncio.create_task(service.post("/v1/chat/completions", body))
    await until(lambda: service.engine.under_way == 1)
    url = service.server.make_url("/v1/chat/completions")
    headers = {"Content-Type": "application/json"}

    async def chunks() -> AsyncIterator[bytes]:
        yield json.dumps(body).encode()

    for data in (json.dumps(body).encode(), chunks()):
        async with service.session.post(url, data=data, headers=headers) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert (await response.json())["error"]["code"] == "engine_busy"
    go_on.set()
    assert (await first)[0] == 200
    assert service.app[BODIES].held_bytes == 0
    assert (await service.post("/v1/chat/completions", body))[0] == 200


@pytest.mark.parametrize("starting", [{"max_queue_bytes": 10}], indirect=True)
async def test_one_body_alone_is_always_taken(service: Service) -> None:
    """Otherwise a large body would be refused for ever."""
    body = {"model": "joycaption", "messages": [{"role": "user", "content": "Hello."}]}
    assert (await service.post("/v1/chat/completions", body))[0] == 200


@pytest.mark.parametrize("starting", [{"client_timeout_s": 0.3}], indirect=True)
async def test_a_client_that_does_not_send_its_body_is_dropped(service: Service) -> None:
    """It is told why, and its bytes don't count any more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.server.port)
    writer.write(
        b"POST /caption HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b'Content-Length: 100\r\n\r\n{"image_path":'
    )
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
    assert b" 408 " in head.splitlines()[0]
    writer.close()
    assert service.app[BODIES].held_bytes == 0
