"""The page's own files, served to whoever comes: what they show is behind `/api`."""

import mimetypes
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler

from adapter.config import PROJECT_DIR
from adapter.errors import CaptionError, UnroutedRequestError
from adapter.web.access_log import polled
from adapter.web.face import FACE, Face

FOLDER = PROJECT_DIR / "adapter/web/pages/static"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Site:
    """The files below a folder, read once. `home` answers the page itself."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }
        self.home: Handler = polled(self._home)

    def app(self) -> web.Application:
        """Gives the application of the files."""
        app = web.Application()
        handler = polled(self._file)
        app[FACE] = Face("page", error_body, frozenset({handler}))
        app.router.add_get("/{name:.+}", handler)
        return app

    async def _home(self, request: web.Request) -> web.Response:
        return self._response("index.html")

    async def _file(self, request: web.Request) -> web.Response:
        return self._response(request.match_info["name"])

    def _response(self, name: str) -> web.Response:
        content = self._files.get(name)
        if content is None:
            raise UnroutedRequestError("The page has no such file")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        charset = "utf-8" if kind.startswith("text/") else None
        return web.Response(body=content, content_type=kind, charset=charset, headers=HEADERS)


def error_body(error: CaptionError) -> dict[str, object]:
    """Gives the object in which a browser's user may see `error`."""
    return {"error": error.message}
