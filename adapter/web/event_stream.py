"""Sends server-sent events as they come, and keeps the stream alive while none do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from adapter.web.delivery import Delivery

COMMENT = b": waiting\n\n"  # SSE's way to send nothing


class EventStream:
    """The answer to one request. Its status is sent with the first event or comment."""

    def __init__(self, request: web.Request, delivery: Delivery) -> None:
        self._request = request
        self._delivery = delivery
        self._response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-cache",
                "X-Accel-Buffering": "no",  # tells nginx to pass each event on at once
            }
        )
        self._begin = asyncio.Lock()
        self._last_sent = asyncio.get_running_loop().time()

    @property
    def begun(self) -> bool:
        """Whether the status is sent already."""
        return self._response.prepared

    async def send(self, events: bytes) -> None:
        """Sends whole events. Raises ConnectionResetError where the client has left or is dropped."""
        async with self._begin:
            if not self.begun:
                await self._response.prepare(self._request)
        self._last_sent = asyncio.get_running_loop().time()
        await self._delivery.write(self._request, self._response, events)

    async def end(self) -> web.StreamResponse:
        """Ends the stream, and gives the answer that it was. Raises as `send` does."""
        await self._delivery.end(self._request, self._response)
        return self._response

    @contextlib.asynccontextmanager
    async def kept_alive(self, plain_answer_s: float, keep_alive_s: float) -> AsyncIterator[None]:
        """Sends a comment after `plain_answer_s` without a first event, and after each `keep_alive_s` without
        another.
        """
        beating = asyncio.create_task(self._beat(plain_answer_s, keep_alive_s))
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)  # a client that left ends it too

    async def _beat(self, plain_answer_s: float, keep_alive_s: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            silence_s = keep_alive_s if self.begun else plain_answer_s
            await asyncio.sleep(max(0.0, self._last_sent + silence_s - loop.time()))
            # Meanwhile the stream may have begun, and another silence counts.
            if loop.time() >= self._last_sent + (keep_alive_s if self.begun else plain_answer_s):
                await self.send(COMMENT)
