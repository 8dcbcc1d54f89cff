"""Turns errors into answers, here and nowhere else. Each face says what its own look like."""

import logging
import math
from typing import Any

import orjson
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from adapter.errors import CaptionError, InternalError, UnroutedRequestError
from adapter.logs import shown
from adapter.policy import Retry
from adapter.web.access_log import GONE, TRACE, request_line
from adapter.web.face import face_of

SHOULD_RETRY = "x-should-retry"  # what OpenAI's clients obey before they look at the status

log = logging.getLogger("adapter.web")


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers our own errors with their status and message, aiohttp's with theirs, any other with 500."""
    try:
        return await handler(request)
    except ConnectionResetError:
        return web.Response(status=GONE)  # nobody is there to read it
    except web.HTTPException as error:
        if error.status < 400:
            raise
        unrouted = UnroutedRequestError(error.reason)
        unrouted.status = error.status
        allowed = error.headers.get(hdrs.ALLOW)
        return _answer(request, unrouted, {} if allowed is None else {hdrs.ALLOW: allowed})
    except Exception as error:
        return _answer(request, public_error(request, error), {})


def public_error(request: web.Request, error: BaseException) -> CaptionError:
    """Gives what a client may see of `error`, and counts it; logs it where the client isn't at fault."""
    if not isinstance(error, CaptionError):
        log.error("%s", request_line(request), exc_info=error)
        error = InternalError()
    elif error.status >= 500:
        log.warning("%s: %s (%r)", request_line(request), shown(str(error)), error.__cause__)
    request[TRACE].fail(error.code)
    return error


def retry_headers(error: CaptionError) -> dict[str, str]:
    """Gives the headers that tell clients whether to ask again, or how.

    Without being told otherwise, OpenAI's clients ask again after every status from 500 on.
    """
    if error.retry is Retry.LATER:
        return {hdrs.RETRY_AFTER: str(math.ceil(error.retry_after_s)), SHOULD_RETRY: "true"}
    if error.status == 401:
        return {hdrs.WWW_AUTHENTICATE: "Bearer"}
    return {SHOULD_RETRY: "false"} if error.status >= 500 else {}


def json_response(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Gives an answer with `body` as its JSON."""
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )


def _answer(request: web.Request, error: CaptionError, headers: dict[str, str]) -> web.Response:
    body = face_of(request).error_body(error)
    return json_response(body, error.status, headers | retry_headers(error))
