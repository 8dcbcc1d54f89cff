"""Answers that take long, kept alive: clients give up on silence, not on slowness.

Node's fetch ends a request after 300 s without response headers, and after 300 s without a byte of the body.
JSON allows white space before the value, so an answer that isn't there in time is begun with some.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from adapter.errors import CaptionError
from adapter.web.delivery import Delivery
from adapter.web.middleware import json_response, to_caption_error


@dataclass(frozen=True)
class Patience:
    """After `plain_s` without an answer it is begun, and a space follows every `space_s`."""

    plain_s: float
    space_s: float
    delivery: Delivery

    async def answer(
        self,
        request: web.Request,
        work: Awaitable[dict[str, Any]],
        late_error: Callable[[CaptionError], dict[str, Any]] | None,
    ) -> web.StreamResponse:
        """The JSON that `work` ends with.

        In time: with its status and Content-Length, and its errors raised. Later: as 200, chunked, and an
        error is what `late_error` makes of it, or the end of the connection where that is None. `work` is
        cancelled when the client has gone.
        """
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=self.plain_s)
            if done:
                return json_response(task.result())
            return await self._answer_slowly(request, task, late_error)
        finally:
            task.cancel()

    async def _answer_slowly(
        self,
        request: web.Request,
        task: asyncio.Future[dict[str, Any]],
        late_error: Callable[[CaptionError], dict[str, Any]] | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while not task.done():
            await self.delivery.write(request, response, b" ")
            await asyncio.wait({task}, timeout=self.space_s)
        error = task.exception()
        if error is None:
            await self.delivery.end(request, response, orjson.dumps(task.result()))
        elif late_error is not None:
            body = late_error(to_caption_error(request, error))
            await self.delivery.end(request, response, orjson.dumps(body))
        else:
            to_caption_error(request, error)  # for the log
            if request.transport is not None:
                request.transport.abort()
        return response
