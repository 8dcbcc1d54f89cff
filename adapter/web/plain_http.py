"""As much HTTP as is needed before any package is there: small requests, and answers in JSON."""

import asyncio
import ipaddress
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

MAX_REQUEST_BYTES = 2**16


@dataclass(frozen=True)
class PlainRequest:
    """A request, as far as it matters here. Header names are in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]

    @property
    def is_from_here(self) -> bool:
        """Whether no web page has sent it: those bring an Origin, or come under another name."""
        try:
            host = urlsplit(f"//{self.headers.get('host', '')}").hostname
        except ValueError:
            return False
        return "origin" not in self.headers and (host == "localhost" or is_loopback(host or ""))

    def wait_s(self, limit_s: float) -> float:
        """Gives for how long the answer may be held: the query's `wait_s`, `limit_s` where that is none."""
        try:
            wait_s = float(parse_qs(self.query)["wait_s"][0])
        except (KeyError, ValueError):
            return limit_s
        return wait_s if 0 <= wait_s <= limit_s else limit_s


async def read_request(reader: asyncio.StreamReader) -> PlainRequest:
    """Reads a request with its body, which isn't needed. Raises ValueError where it is none."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
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


def is_loopback(host: str) -> bool:
    """Tells whether that is an address of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
