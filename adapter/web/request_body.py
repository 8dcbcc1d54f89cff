"""Reads the bodies of requests: each up to a limit, all together up to another, none from a dead client."""

import asyncio
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapter.errors import (
    ContentTypeError,
    EngineBusyError,
    InvalidRequestError,
    RequestTooLargeError,
    SlowClientError,
)

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

    async def read_object(self, request: web.Request, max_bytes: int) -> dict[str, Any]:
        """Gives the JSON object that is the request's body.

        Raises ContentTypeError, RequestTooLargeError and EngineBusyError, if possible before anything is
        read; then SlowClientError and InvalidRequestError.
        """
        # Any other type can be sent by a web page without its visitor's browser asking us first.
        if request.content_type != "application/json":
            raise ContentTypeError("The body must be JSON: send it with Content-Type: application/json")
        try:
            async with asyncio.timeout(self._limit_s):
                body = await self._read(request, max_bytes)
        except TimeoutError as error:
            raise SlowClientError(f"The request's body took longer than {self._limit_s:g} s") from error
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
        self._hold(request, announced)
        body = bytearray()
        async for received in request.content.iter_any():
            body += received
            if len(body) > max_bytes:
                raise too_large
            self._hold(request, max(0, len(body) - request[HELD_BYTES]))
        return body

    def _hold(self, request: web.Request, more_bytes: int) -> None:
        others = self.held_bytes - request[HELD_BYTES]
        if others and self.held_bytes + more_bytes > self._max_held_bytes:
            raise EngineBusyError("Too much waits already; try again soon")
        request[HELD_BYTES] += more_bytes
        self.held_bytes += more_bytes
