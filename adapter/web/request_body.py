"""Reads the bodies of requests: each up to a limit, all together up to another, none from a dead client."""

import asyncio
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from adapter.errors import (
    ContentTypeError,
    EngineBusyError,
    InvalidRequestError,
    RequestTooLargeError,
    SlowClientError,
)

# Commas and brackets, each of which may begin a value: 10 000 paths in a batch have 10 000.
MAX_VALUES = 250_000
DATA_URL = b'"data:'
HELD_BYTES = web.RequestKey("held_bytes", int)


class Bodies:
    """Reads bodies, and counts the bytes that requests under way hold together.

    `held_bytes` stays within `max_held_bytes`, but a single request is read whatever it holds. A client has
    `limit_s` to send its whole body.
    """

    def __init__(self, max_held_bytes: int, limit_s: float) -> None:
        self._max_held_bytes = max_held_bytes
        self._limit_s = limit_s
        self.held_bytes = 0

    @property
    def middleware(self) -> Middleware:
        """Keeps a request's bytes in the count until the request is answered."""

        @web.middleware
        async def hold(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[HELD_BYTES] = 0
            try:
                return await handler(request)
            finally:
                self.held_bytes -= request[HELD_BYTES]

        return hold

    async def read_object(
        self, request: web.Request, max_bytes: int, max_image_bytes: int = 0
    ) -> dict[str, Any]:
        """Gives the JSON object that is the request's body, of up to `max_bytes` beside a data URL in it.

        Raises ContentTypeError, RequestTooLargeError and EngineBusyError, if possible before anything is
        read; then SlowClientError and InvalidRequestError.
        """
        # Any other type can be sent by a web page without its visitor's browser asking us first.
        if request.content_type != "application/json":
            raise ContentTypeError("The body must be JSON: send it with Content-Type: application/json")
        # A small body may become a huge one.
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() not in ("", "identity"):
            raise ContentTypeError("The body must not be compressed: send it without Content-Encoding")
        try:
            async with asyncio.timeout(self._limit_s):
                body = await self._read(request, max_bytes + max_image_bytes)
        except TimeoutError as error:
            raise SlowClientError(f"The request's body took longer than {self._limit_s:g} s") from error
        _check(body, max_bytes)
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidRequestError("The request body must be JSON") from error
        if not isinstance(fields, dict):
            raise InvalidRequestError("The request body must be a JSON object")
        return fields

    async def _read(self, request: web.Request, max_bytes: int) -> bytearray:
        too_large = RequestTooLargeError(f"The request body is larger than {max_bytes} bytes")
        announced = request.content_length or 0
        if announced > max_bytes:
            raise too_large
        self._check_room(request, announced)
        body = bytearray()
        async for received in request.content.iter_any():
            body += received
            if len(body) > max_bytes:
                raise too_large
            self.hold(request, len(received))
        return body

    def hold(self, request: web.Request, more_bytes: int) -> None:
        """Counts bytes that came for a request: in its body, or from the host of its image.

        What a client only announces doesn't count, or a few idle ones would keep out all others. Raises
        EngineBusyError.
        """
        self._check_room(request, more_bytes)
        request[HELD_BYTES] += more_bytes
        self.held_bytes += more_bytes

    def _check_room(self, request: web.Request, more_bytes: int) -> None:
        others = self.held_bytes - request[HELD_BYTES]
        if others and self.held_bytes + more_bytes > self._max_held_bytes:
            raise EngineBusyError("Too much waits already; try again soon")


def _check(body: bytearray, max_bytes: int) -> None:
    """Refuses what would take long to parse, or much memory.

    Raises InvalidRequestError, RequestTooLargeError.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise InvalidRequestError(f"The request body holds more than {MAX_VALUES} values")
    beside = len(body)
    if beside > max_bytes and (begin := body.find(DATA_URL)) >= 0:
        beside -= max(0, body.find(b'"', begin + len(DATA_URL)) - begin)
    if beside > max_bytes:
        raise RequestTooLargeError(f"The request body is larger than {max_bytes} bytes")
