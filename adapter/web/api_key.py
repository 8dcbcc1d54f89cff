"""The key that requests must show where the operator has set one."""

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from adapter.errors import InvalidApiKeyError
from adapter.web.callers import NEEDS_KEY, shows_key
from adapter.web.face import face_of


def has_key(request: web.Request, key: str | None) -> bool:
    """Tells whether the request shows `key` as `Authorization: Bearer KEY`, or there is none to show."""
    return key is None or shows_key(request.headers.get(hdrs.AUTHORIZATION, ""), key)


def require_key(key: str | None) -> Middleware:
    """Gives a middleware that refuses requests without the key before their bodies are read.

    It lets pass what the face's own rule leaves open, see `Face`.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        face = face_of(request)
        if request.match_info.handler not in face.open_handlers:
            admitted = has_key(request, key) if face.admits is None else face.admits(request)
            if not admitted:
                raise InvalidApiKeyError(NEEDS_KEY)
        return await handler(request)

    return check
