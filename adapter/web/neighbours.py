"""Who may speak to the service from a browser: pages of its own, and those that the operator named.

A web page can make its visitor's browser send requests to this machine. Such requests carry the page's
Origin; and a page that pretends to be us, by a name that its owner lets point here, shows in the Host.
"""

import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from adapter.errors import ForeignRequestError
from adapter.web.auth import has_key

ANY_ORIGIN = "*"
PREFLIGHT_METHODS = "GET, POST"
ALLOWED_ORIGIN_HEADERS = web.RequestKey[dict[str, str]]("allowed_origin_headers")
PREFLIGHT_HEADERS = "Authorization, Content-Type"


def refuse_foreign(host: str, allowed_origins: Collection[str], key: str | None) -> Middleware:
    """Refuses foreign origins and hosts, and answers browsers about the origins that are allowed.

    `host` is what the service listens on. A request that shows the key comes from who has it, by whatever
    name; the key is no excuse for an origin, because a browser may send it for any page.
    """
    names = {"localhost", host.lower(), socket.gethostname().lower()}
    names |= {urlsplit(origin).hostname or "" for origin in allowed_origins}

    def is_ours(request: web.Request) -> bool:
        return _is_known_host(request.host, names) or (key is not None and has_key(request, key))

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not is_ours(request):
            raise ForeignRequestError("The request's Host is not one of this service's")
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is None or urlsplit(origin).netloc == request.host:
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
    """So that the browser shows the page the answer; for `on_response_prepare`, which streams pass too."""
    response.headers.update(request.get(ALLOWED_ORIGIN_HEADERS, {}))


def _is_known_host(host: str, names: Collection[str]) -> bool:
    """Whether the Host is an address, which nobody can let point elsewhere, or one of our names."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True
