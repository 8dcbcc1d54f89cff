"""Gives each request an id and a trace, counts it in the metrics, and writes one line about it to the log."""

import functools
import logging
import re
import time
import uuid
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapter.logs import MAX_SHOWN, log_fields, shown
from adapter.trace import Trace
from adapter.web.face import face_of
from adapter.web.metrics import Metrics

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
TRACE = web.RequestKey("trace", Trace)
IS_POLLED = web.RequestKey("is_polled", bool)
# What a client may choose as the id: nothing that could forge a line of the log.
GOOD_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
GONE = 499  # nginx's status for a client that left

log = logging.getLogger("adapter.request")


def polled(handler: Handler) -> Handler:
    """Marks a handler that clients ask too often for each success to be worth a line of the log."""

    @functools.wraps(handler)
    async def marked(request: web.Request) -> web.StreamResponse:
        request[IS_POLLED] = True
        return await handler(request)

    return marked


def observe(metrics: Metrics, *, texts: bool) -> Middleware:
    """Gives the outermost middleware. With `texts` it also logs prompts and captions."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        request[REQUEST_ID] = given if GOOD_ID.fullmatch(given) else uuid.uuid4().hex
        trace = request[TRACE] = Trace(metrics.observe_stage, keep_texts=texts)
        started = time.monotonic()
        status = GONE
        try:
            response = await handler(request)
            status = response.status
            return response
        finally:
            metrics.count(face_of(request).label, status, trace)
            _log(request, status, trace, time.monotonic() - started)

    return watch


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """Adds the id as a header. Meant for `on_response_prepare`, which streams pass through too."""
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]


def request_line(request: web.Request) -> str:
    """Gives method and path for the log, on one line."""
    return f"{shown(request.method)} {shown(request.path)}"


def _log(request: web.Request, status: int, trace: Trace, seconds: float) -> None:
    fields: dict[str, Any] = {"status": status, "seconds": round(seconds, 3), "id": request[REQUEST_ID]}
    if trace.subject:
        fields["image"] = trace.subject[:MAX_SHOWN]
    if trace.subject or trace.seconds:  # it came as far as to be about captions
        fields["captions"] = trace.captions
        fields |= {f"{stage}_s": round(total, 3) for stage, total in trace.seconds.items()}
        fields["tokens"] = trace.completion_tokens
    if trace.flaws:
        fields["flaws"] = dict(trace.flaws)
    if trace.failures:
        fields["failures"] = dict(trace.failures)
    level = logging.DEBUG if request.get(IS_POLLED) and status < 400 else logging.INFO
    log_fields(log, level, request_line(request), fields)
    for prompt, caption in trace.texts or ():
        log_fields(
            log, logging.INFO, "text", {"id": request[REQUEST_ID], "prompt": prompt, "caption": caption}
        )
