"""The HTTP that answers before any package is there."""

import asyncio

import pytest

from adapter.web.plain_http import MAX_REQUEST_BYTES, Door, PlainRequest, read_request, response


async def read(data: bytes) -> PlainRequest:
    """Reads what a client sends before it closes its end."""
    reader = asyncio.StreamReader(limit=MAX_REQUEST_BYTES)
    reader.feed_data(data)
    reader.feed_eof()
    return await read_request(reader)


async def test_read_request_gives_its_parts() -> None:
    """Names of headers are in lower case, whatever the client has written."""
    asked = await read(b"POST /a?wait_s=2 HTTP/1.1\r\nHOST: localhost:5000\r\nContent-Length: 2\r\n\r\n{}")
    assert (asked.method, asked.path, asked.query) == ("POST", "/a", "wait_s=2")
    assert asked.headers == {"host": "localhost:5000", "content-length": "2"}


async def test_read_request_takes_a_large_body_whole() -> None:
    """A client that sends an image is told that the service isn't ready, instead of being cut off."""
    size = MAX_REQUEST_BYTES * 10
    reader = asyncio.StreamReader(limit=MAX_REQUEST_BYTES)
    reader.feed_data(f"POST /caption HTTP/1.1\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size))
    assert (await read_request(reader)).path == "/caption"
    reader.feed_eof()
    assert await reader.read() == b""


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n",
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nshort",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * MAX_REQUEST_BYTES + b"\r\n\r\n",
    ],
)
async def test_read_request_of_anything_else_is_an_error(data: bytes) -> None:
    """Whoever serves drops such a client."""
    with pytest.raises((ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)):
        await read(data)


@pytest.mark.parametrize(
    ("query", "wait_s"),
    [("", 10), ("wait_s=0", 0), ("wait_s=2.5", 2.5), ("wait_s=11", 10), ("wait_s=-1", 10), ("wait_s=nan", 10),
     ("wait_s=x", 10), ("wait_s=", 10), ("other=1", 10)],
)  # fmt: skip
def test_wait_s_is_within_its_limit(query: str, wait_s: float) -> None:
    """What makes no sense counts as absent."""
    assert PlainRequest("GET", "/progress", query, {}).wait_s(10) == wait_s


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "127.0.0.1:5000"}, None),
        ({"host": "localhost"}, None),
        ({"host": "[::1]:5000"}, None),
        ({"host": "localhost:5000", "origin": "http://localhost:5000"}, None),
        ({"host": "evil.example"}, "403 Forbidden"),
        ({"host": "127.0.0.1.evil.example"}, "403 Forbidden"),
        ({"host": "["}, "403 Forbidden"),
        ({}, "403 Forbidden"),
        ({"host": "localhost:5000", "origin": "http://localhost"}, "403 Forbidden"),
        ({"host": "localhost", "origin": "null"}, "403 Forbidden"),
        ({"host": "localhost", "origin": ""}, "403 Forbidden"),
        ({"host": "localhost", "origin": "http://["}, "403 Forbidden"),
    ],
)
def test_the_door_is_closed_to_foreign_pages(headers: dict[str, str], status: str | None) -> None:
    """A browser says whose page it shows, or comes under the name that the page has chosen."""
    refusal = Door({"localhost"}, None).refusal(PlainRequest("POST", "/shutdown", "", headers))
    assert (refusal and refusal[0]) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost", "authorization": "Bearer k"}, None),
        ({"host": "any.example", "authorization": "Bearer k"}, None),
        ({"host": "localhost", "authorization": "Bearer kk"}, "401 Unauthorized"),
        ({"host": "localhost"}, "401 Unauthorized"),
        ({"host": "any.example"}, "403 Forbidden"),
        (
            {"host": "localhost", "authorization": "Bearer k", "origin": "http://evil.example"},
            "403 Forbidden",
        ),
    ],
)
def test_the_door_wants_the_key(headers: dict[str, str], status: str | None) -> None:
    """It opens under any name, as the service does, but to no page's browser."""
    refusal = Door({"localhost"}, "k").refusal(PlainRequest("POST", "/shutdown", "", headers))
    assert (refusal and refusal[0]) == status


def test_response_is_whole() -> None:
    """A client that is refused is told when to come again."""
    assert response("200 OK", {"a": 1}).endswith(b'Content-Length: 8\r\nConnection: close\r\n\r\n{"a": 1}')
    assert b"\r\nRetry-After: " in response("503 Service Unavailable", {})
