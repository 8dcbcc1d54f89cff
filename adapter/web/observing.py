"""Seeing the service at work: an id for each request, one line in the log when it is done, the metrics."""

import logging
import re
import time
import uuid
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapter.logs import log_fields
from adapter.trace import Trace
from adapter.web.metrics import Metrics

REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = web.RequestKey("request_id", str)
TRACE = web.RequestKey("trace", Trace)
# What a client may choose as the id: nothing that could forge a line of the log.
GOOD_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)
POLLED = frozenset({"/health", "/progress", "/metrics"})  # too often to be worth a line each
GONE = 499  # nginx's status for a client that left
IMAGE_PATHS = frozenset({"/caption", "/batch_caption", "/v1/chat/completions"})

log = logging.getLogger("adapter.request")


def observe(metrics: Metrics, *, texts: bool) -> Middleware:
    """The outermost middleware. `texts`: prompts and captions go into the log too."""

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
            metrics.count("openai" if request.path.startswith("/v1") else "legacy", status, trace)
            _log(request, status, trace, time.monotonic() - started)

    return watch


async def add_request_id(request: web.Request, response: web.StreamResponse) -> None:
    """For `on_response_prepare`, which streams pass too."""
    if REQUEST_ID in request:
        response.headers[REQUEST_ID_HEADER] = request[REQUEST_ID]


def _log(request: web.Request, status: int, trace: Trace, seconds: float) -> None:
    fields: dict[str, Any] = {"status": status, "seconds": round(seconds, 3), "id": request[REQUEST_ID]}
    if request.path in IMAGE_PATHS:
        if trace.subject:
            fields["image"] = trace.subject
        fields["captions"] = trace.captions
        fields |= {f"{stage}_s": round(total, 3) for stage, total in trace.seconds.items()}
        fields["tokens"] = trace.completion_tokens
    if trace.failures:
        fields["failures"] = dict(trace.failures)
    level = logging.DEBUG if request.path in POLLED and status < 400 else logging.INFO
    log_fields(log, level, f"{request.method} {request.path[:200]}", fields)
    for prompt, caption in trace.texts or ():
        log_fields(
            log, logging.INFO, "text", {"id": request[REQUEST_ID], "prompt": prompt, "caption": caption}
        )
