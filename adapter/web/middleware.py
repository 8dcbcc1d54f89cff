"""Errors become answers here, and only here; each face says how its own look."""

import logging
import math
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapter.errors import CaptionError
from adapter.web.observing import GONE, TRACE

ErrorBody = Callable[[CaptionError], dict[str, Any]]

log = logging.getLogger("adapter.web")


def errors_to_json(faces: dict[str, ErrorBody]) -> Middleware:
    """Ours by their status and message, aiohttp's by theirs, anything else as 500 without its text.

    `faces`: what an error looks like under a prefix of the path; the first that fits.
    """

    @web.middleware
    async def render(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionResetError:
            return web.Response(status=GONE)  # nobody is there to read it
        except web.HTTPException as error:
            if error.status < 400:
                raise
            known, headers = CaptionError(error.reason), {}
            known.status = error.status
            if "Allow" in error.headers:
                headers["Allow"] = error.headers["Allow"]
        except Exception as error:
            known, headers = to_caption_error(request, error), {}
        body = next(body for prefix, body in faces.items() if request.path.startswith(prefix))
        return json_response(body(known), known.status, headers | retry_headers(known))

    return render


def retry_headers(error: CaptionError) -> dict[str, str]:
    """What tells clients whether to try again.

    OpenAI's would do so after every status from 500 on; `x-should-retry` is their own way to be told.
    """
    if error.retryable:
        return {"Retry-After": str(math.ceil(error.retry_after_s)), "x-should-retry": "true"}
    if error.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"x-should-retry": "false"} if error.status >= 500 else {}


def to_caption_error(request: web.Request, error: BaseException) -> CaptionError:
    """What a client may see of `error`, counted; what isn't the client's own fault goes into the log."""
    if not isinstance(error, CaptionError):
        log.error("%s %s", request.method, request.path, exc_info=error)
        error = CaptionError("Internal error; the service's log has the details")
    elif error.status >= 500:
        log.warning("%s %s: %s (%r)", request.method, request.path, error, error.__cause__)
    request[TRACE].fail(error.code)
    return error


def json_response(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )
