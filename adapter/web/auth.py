"""The key that a request must show, where the operator set one."""

import hmac

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapter.errors import InvalidApiKeyError

OPEN_PATHS = frozenset({"/health"})
SCHEME = "bearer"


def has_key(request: web.Request, key: str | None) -> bool:
    """Whether the request shows `key` as `Authorization: Bearer KEY`; always where there is none.

    Takes the same time for every wrong key of the same length.
    """
    if key is None:
        return True
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    shown_bytes = shown.strip().encode("utf-8", "surrogateescape")
    return hmac.compare_digest(shown_bytes, key.encode()) and scheme.lower() == SCHEME


def require_key(key: str | None) -> Middleware:
    """Refuses requests without the key, before their bodies are read, but for OPEN_PATHS."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS and not has_key(request, key):
            raise InvalidApiKeyError("A valid API key is needed: send it as Authorization: Bearer KEY")
        return await handler(request)

    return check
