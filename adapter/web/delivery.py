"""Answers on their way to clients that are slow to take them, or never do."""

import asyncio
import logging

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

log = logging.getLogger("adapter.web")


class Delivery:
    """Sends; a client that takes nothing for `limit_s` is dropped."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s

    async def write(self, request: web.Request, response: web.StreamResponse, data: bytes) -> None:
        """A part of an answer. Raises ConnectionResetError when the client has gone or is dropped."""
        try:
            async with asyncio.timeout(self._limit_s):
                await response.write(data)
        except TimeoutError as error:
            raise self._drop(request) from error

    async def end(self, request: web.Request, response: web.StreamResponse, data: bytes = b"") -> None:
        """The last part. Raises as `write`."""
        try:
            async with asyncio.timeout(self._limit_s):
                await response.write_eof(data)
        except TimeoutError as error:
            raise self._drop(request) from error

    @property
    def middleware(self) -> Middleware:
        """Delivers whole answers, while what they keep in memory still counts as taken."""

        @web.middleware
        async def deliver(request: web.Request, handler: Handler) -> web.StreamResponse:
            response = await handler(request)
            if not response.prepared:
                try:
                    async with asyncio.timeout(self._limit_s):
                        await response.prepare(request)
                        await response.write_eof()
                except TimeoutError:
                    self._drop(request)
                except ConnectionResetError:
                    log.debug("%s %s: the client has left", request.method, request.path)
            return response

        return deliver

    def _drop(self, request: web.Request) -> ConnectionResetError:
        log.warning("%s %s: the client takes nothing for %g s", request.method, request.path, self._limit_s)
        if request.transport is not None:
            request.transport.abort()
        return ConnectionResetError("the client was too slow")
