"""Decides who may speak to the service from a browser: its own pages, and those that the operator has named.

A web page can make its visitor's browser send requests to this machine. Such requests carry the page's
Origin. A page that poses as ours, under a name that its owner lets point to this machine, is known by the
request's Host.
"""

from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from adapter.errors import ForeignRequestError
from adapter.web.api_key import has_key
from adapter.web.callers import FOREIGN_HOST, is_known_host, is_own_origin, own_names

ANY_ORIGIN = "*"
ALLOWED_ORIGIN_HEADERS = web.RequestKey[dict[str, str]]("allowed_origin_headers")
PREFLIGHT_METHODS = "GET, POST"
PREFLIGHT_HEADERS = "Authorization, Content-Type"


def refuse_foreign(host: str, allowed_origins: Collection[str], key: str | None) -> Middleware:
    """Gives a middleware that refuses foreign hosts and origins, and tells browsers which are allowed.

    `host` is what the service listens on. A request that shows `key` may come under any name. It may not come
    from any origin, because a browser may send the key on behalf of whatever page it shows.
    """
    names = own_names(host) | {urlsplit(origin).hostname or "" for origin in allowed_origins}

    def is_ours(request: web.Request) -> bool:
        return is_known_host(request.host, names) or (key is not None and has_key(request, key))

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_ours(request):
            raise ForeignRequestError(FOREIGN_HOST)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or is_own_origin(origin, request.host):
            return await handler(request)
        if ANY_ORIGIN not in allowed_origins and origin not in allowed_origins:
            raise ForeignRequestError("This page's origin is not allowed here: see CAPTION_ALLOWED_ORIGINS")
        headers: dict[str, str] = {hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin, hdrs.VARY: hdrs.ORIGIN}
        if request.method == hdrs.METH_OPTIONS:
            headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = PREFLIGHT_METHODS
            headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = PREFLIGHT_HEADERS
            return web.Response(status=204, headers=headers)
        request[ALLOWED_ORIGIN_HEADERS] = headers
        return await handler(request)

    return check


async def add_origin_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Adds the headers without which the browser keeps the answer from the page.

    Meant for `on_response_prepare`, which streams pass through too.
    """
    response.headers.update(request.get(ALLOWED_ORIGIN_HEADERS, {}))
