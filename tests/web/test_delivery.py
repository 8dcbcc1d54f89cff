"""Answers to clients that don't take them."""

import socket

import pytest
from aiohttp import web

from tests.fake_engine import chunk, completion, event
from tests.waiting import until
from tests.web.conftest import Service

LARGE = "x" * 30_000_000  # more than any socket's buffers


async def ask_and_read_nothing(service: Service, path: str, body: bytes) -> socket.socket:
    """Sends a request, and gives its socket, from which nobody reads."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", service.server.port))
    client.sendall(
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    return client


@pytest.mark.parametrize("starting", [{"client_timeout_s": 0.5}], indirect=True)
@pytest.mark.parametrize("stream", [b"false", b"true"])
async def test_a_client_that_does_not_read_is_dropped(
    service: Service, stream: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether its answer is whole or a stream, the engine's work for it ends, and the service goes on."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if stream == b"false":
            return web.json_response(completion(LARGE))
        response = await service.engine.begin_stream(request)
        while True:
            await response.write(event(chunk({"content": LARGE[:1_000_000]})))

    service.engine.answer = answer
    body = (
        b'{"model": "joycaption", "messages": [{"role": "user", "content": "."}], "stream": ' + stream + b"}"
    )
    client = await ask_and_read_nothing(service, "/v1/chat/completions", body)
    await until(lambda: "takes nothing" in caplog.text)
    await until(lambda: service.engine.under_way == 0)
    client.close()
    service.engine.answer = None
    body_again = {"model": "joycaption", "messages": [{"role": "user", "content": "Hi."}]}
    assert (await service.post("/v1/chat/completions", body_again))[0] == 200
