"""Errors become JSON here, and only here."""

import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from adapter.errors import CaptionError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("adapter.web")


@web.middleware
async def errors_to_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ours by their status and message, aiohttp's by theirs, anything else as 500 without its text."""
    try:
        return await handler(request)
    except web.HTTPRequestEntityTooLarge as error:
        return json_response(error_body("The request body is too large"), error.status)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return json_response(error_body(error.reason), error.status)
    except Exception as error:
        known = to_caption_error(request, error)
        headers = {"Retry-After": str(math.ceil(known.retry_after_s))} if known.retryable else None
        return json_response(error_body(known.message), known.status, headers)


def to_caption_error(request: web.Request, error: BaseException) -> CaptionError:
    """What a client may see of `error`; what isn't the client's own fault goes into the log."""
    if not isinstance(error, CaptionError):
        log.error("%s %s", request.method, request.path, exc_info=error)
        return CaptionError("Internal error; the service's log has the details")
    if error.status >= 500:
        log.warning("%s %s: %s (%r)", request.method, request.path, error, error.__cause__)
    return error


def error_body(message: str) -> dict[str, Any]:
    """What clients of the legacy contract read `error` from."""
    return {"success": False, "error": message}


def json_response(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )
