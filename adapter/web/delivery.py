"""Sends answers to clients that may be slow to take them, or never do."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapter.web.access_log import request_line

log = logging.getLogger("adapter.web")


class Delivery:
    """Sends answers, and drops a client that takes nothing for `limit_s`."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    async def write(self, request: web.Request, response: web.StreamResponse, data: bytes) -> None:
        """Sends a part of an answer. Raises ConnectionResetError where the client has left or is dropped."""
        async with self._in_time(request):
            await response.write(data)

    async def end(self, request: web.Request, response: web.StreamResponse, data: bytes = b"") -> None:
        """Sends the last part. Raises as `write` does."""
        async with self._in_time(request):
            await response.write_eof(data)

    @property
    def middleware(self) -> Middleware:
        """Sends whole answers.

        aiohttp itself would do so after all middlewares have ended, and thus after `Bodies` has stopped
        counting what the request holds.
        """

        @web.middleware
        async def deliver(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if not response.prepared:
                try:
                    async with self._in_time(request):
                        await response.prepare(request)
                        await response.write_eof()
                except ConnectionResetError:
                    log.debug("%s: the client has left", request_line(request))
            return response

        return deliver

    @contextlib.asynccontextmanager
    async def _in_time(self, request: web.Request) -> AsyncIterator[None]:
        """Drops the client and raises ConnectionResetError where the context lasts too long."""
        try:
            async with asyncio.timeout(self._limit_s):
                yield
        except TimeoutError as error:
            log.warning("%s: the client takes nothing for %g s", request_line(request), self._limit_s)
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("the client was too slow") from error
