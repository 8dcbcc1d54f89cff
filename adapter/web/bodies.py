"""Requests' bodies: read within a limit each, a limit of all together, and from clients that are alive."""

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
    """`max_held_bytes`: of all requests under way; one alone is taken whatever it holds. `limit_s`: for a
    client to send its whole body.
    """

    def __init__(self, max_held_bytes: int, limit_s: float) -> None:
        self._max_held_bytes = max_held_bytes
        self._limit_s = limit_s
        self.held_bytes = 0

    @property
    def middleware(self) -> Middleware:
        """Keeps count of what requests hold, until they are answered."""

        @web.middleware
        async def hold(request: web.Request, handler: Handler) -> web.StreamResponse:
            request[HELD_BYTES] = 0
            try:
                return await handler(request)
            finally:
                self.held_bytes -= request[HELD_BYTES]

        return hold

    async def read_object(self, request: web.Request, max_bytes: int) -> dict[str, Any]:
        """The request's JSON object.

        Raises, before anything is read if possible, ContentTypeError, RequestTooLargeError and
        EngineBusyError; then SlowClientError and InvalidRequestError.
        """
        # A page may send any other type to us without its visitor's browser asking us first.
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
