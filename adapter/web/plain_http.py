"""As much HTTP as is needed before any package is there: small requests, and answers in JSON."""

import asyncio
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from adapter.web.callers import FOREIGN_HOST, NEEDS_KEY, is_known_host, is_own_origin, shows_key

MAX_REQUEST_BYTES = 2**16
MAX_PROGRESS_WAIT_S = 10.0  # for which /progress holds its answer


@dataclass(frozen=True)
class PlainRequest:
    """A request, as far as it matters here. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]

    def wait_s(self, limit_s: float) -> float:
        """Gives for how long the answer may be held: the query's `wait_s`, `limit_s` where that is none."""
        try:
            wait_s = float(parse_qs(self.query)["wait_s"][0])
        except (KeyError, ValueError):
            return limit_s
        return wait_s if 0 <= wait_s <= limit_s else limit_s


class Door:
    """Decides whom to answer, as the service does: no foreign web page, and nobody without the key."""

    def __init__(self, names: Collection[str], key: str | None) -> None:
        self._names = names
        self._key = key

    def has_key(self, asked: PlainRequest) -> bool:
        """Tells whether the request shows the key, or there is none to show."""
        return self._key is None or shows_key(asked.headers.get("authorization", ""), self._key)

    def refusal(self, asked: PlainRequest) -> tuple[str, str] | None:
        """Gives the status and the words by which a request is refused, or None."""
        host, origin = asked.headers.get("host", ""), asked.headers.get("origin")
        shows_one = self._key is not None and self.has_key(asked)
        if not (shows_one or is_known_host(host, self._names)):
            return "403 Forbidden", FOREIGN_HOST
        if origin is not None and not is_own_origin(origin, host):
            return "403 Forbidden", "This page's origin is not allowed here"
        if not (self.has_key(asked) or asked.path == "/health"):
            return "401 Unauthorized", NEEDS_KEY
        return None


async def read_request(reader: asyncio.StreamReader) -> PlainRequest:
    """Reads a request with its body, which isn't needed. Raises ValueError where it is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8", "surrogateescape")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    fields = (line.partition(":") for line in lines if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = int(headers.get("content-length", "0"))
    if length < 0:
        raise ValueError("a negative length")
    # All of it is taken: a client that is cut off while it sends an image never sees its answer.
    while length:
        data = await reader.read(min(length, MAX_REQUEST_BYTES))
        if not data:
            raise asyncio.IncompleteReadError(b"", length)
        length -= len(data)
    parts = urlsplit(target)
    return PlainRequest(method, parts.path, parts.query, headers)


def response(status: str, body: dict[str, Any]) -> bytes:
    """Gives the bytes of an answer: a status with its words, and an object."""
    content = json.dumps(body).encode()
    again = "Retry-After: 10\r\n" if status.startswith("503") else ""
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{again}"
    return f"{head}Connection: close\r\n\r\n".encode() + content
