"""The faces of the service, and how a request finds its own."""

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from adapter.web.face import FACE, Face, face_of
from adapter.web.legacy.fields import error_body


async def nothing(request: web.Request) -> web.Response:
    """Answers nothing."""
    return web.Response()


def app_of(label: str) -> web.Application:
    """Gives an application with a face of that name and one route."""
    app = web.Application()
    app[FACE] = Face(label, error_body)
    app.router.add_get("/known", nothing)
    return app


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/known", "outer"),
        ("/none", "outer"),
        ("/inner/known", "inner"),
        ("/inner/none", "inner"),
        ("/inner", "inner"),
        ("/inner-not", "outer"),
    ],
)
async def test_face_of_a_request_is_that_of_the_innermost_application(path: str, label: str) -> None:
    """That holds as well where the application has no such route."""
    seen = []

    @web.middleware
    async def see(request: web.Request, handler: Handler) -> web.StreamResponse:
        seen.append(face_of(request).label)
        return await handler(request)

    outer = app_of("outer")
    outer.middlewares.append(see)
    outer.add_subapp("/inner", app_of("inner"))
    async with TestServer(outer) as server, ClientSession() as session:
        await session.get(server.make_url(path))
    assert seen == [label]
