"""Errors become JSON here, and only here."""

import logging
import math
from collections.abc import Awaitable, Callable

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
    except CaptionError as error:
        if error.status >= 500:
            log.warning("%s %s: %s (%r)", request.method, request.path, error, error.__cause__)
        return _error(error.status, error.message, error.retry_after_s if error.retryable else None)
    except web.HTTPRequestEntityTooLarge as error:
        return _error(error.status, "The request body is too large")
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _error(error.status, error.reason)
    except Exception:
        log.exception("%s %s", request.method, request.path)
        return _error(500, "Internal error; the service's log has the details")


def _error(status: int, message: str, retry_after_s: float | None = None) -> web.Response:
    headers = {} if retry_after_s is None else {"Retry-After": str(math.ceil(retry_after_s))}
    return web.Response(
        body=orjson.dumps({"success": False, "error": message}),
        status=status,
        headers=headers,
        content_type="application/json",
    )
