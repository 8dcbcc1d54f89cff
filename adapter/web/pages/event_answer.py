"""Answers of `/api` that come as server-sent events, and what its errors look like."""

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import orjson
from aiohttp import web

from adapter.errors import CaptionError
from adapter.web.app_keys import DELIVERY, KEEP_ALIVE
from adapter.web.error_response import public_error
from adapter.web.event_stream import EventStream


def error_body(error: CaptionError) -> dict[str, Any]:
    """Gives the object in which the page looks for `error`."""
    return {"error": {"code": error.code, "message": error.message, "field": error.field}}


async def answer_events(request: web.Request, told: AsyncGenerator[dict[str, Any]]) -> web.StreamResponse:
    """Answers with server-sent events. An error that comes after the first of them is an event too."""
    shared = request.config_dict
    keep_alive = shared[KEEP_ALIVE]
    events = EventStream(request, shared[DELIVERY])
    try:
        async with (
            events.kept_alive(keep_alive.plain_answer_s, keep_alive.keep_alive_s),
            contextlib.aclosing(told),
        ):
            async for one in told:
                await events.send(_to_event(one))
    except CaptionError as error:
        if not events.begun:
            raise
        await events.send(_to_event(error_body(public_error(request, error))))
    return await events.end()


def _to_event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
