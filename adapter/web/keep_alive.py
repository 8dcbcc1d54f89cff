"""Keeps answers that take long alive: clients give up on silence, not on slowness.

Node's fetch ends a request after 300 s without response headers, and after 300 s without a byte of the body.
JSON allows white space before the value, so an answer that isn't there in time is begun with a space.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from adapter.web.delivery import Delivery
from adapter.web.error_response import json_response, public_error
from adapter.web.face import ErrorBody


@dataclass(frozen=True)
class KeepAlive:
    """Begins an answer after `plain_answer_s` without it, and adds a space every `keep_alive_s` from then on.

    `delivery` sends what it writes.
    """

    plain_answer_s: float
    keep_alive_s: float
    delivery: Delivery

    async def answer(
        self, request: web.Request, work: Awaitable[dict[str, Any]], late_error: ErrorBody | None
    ) -> web.StreamResponse:
        """Answers with the JSON object that `work` gives.

        In time, it has its status and Content-Length, and errors are raised. Later, it is 200 and chunked; an
        error is then answered with what `late_error` makes of it, or where that is None by an end of the
        connection. `work` is cancelled when the client has left.
        """
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=self.plain_answer_s)
            if done:
                return json_response(task.result())
            return await self._answer_slowly(request, task, late_error)
        finally:
            task.cancel()

    async def _answer_slowly(
        self, request: web.Request, task: asyncio.Future[dict[str, Any]], late_error: ErrorBody | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        while not task.done():
            await self.delivery.write(request, response, b" ")
            await asyncio.wait({task}, timeout=self.keep_alive_s)
        error = task.exception()
        if error is None:
            await self.delivery.end(request, response, orjson.dumps(task.result()))
            return response
        shown = public_error(request, error)
        if late_error is not None:
            await self.delivery.end(request, response, orjson.dumps(late_error(shown)))
        elif request.transport is not None:
            request.transport.abort()
        return response
