"""Object stores for tests on this machine: where moto's S3 is found, and one that does as it is told."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.test_utils import TestServer

Before = Callable[[str, int], Awaitable[web.StreamResponse | None]]
REGION = "us-east-1"
# What the client finds in the environment; nothing asks Amazon's machines for more.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
}
BUCKET = "bucket"


def bucket_url(port: int, path: str) -> str:
    """Gives the URI of a path in the bucket of the store at that port of this machine."""
    return f"s3://{BUCKET}/{path}?endpoint_override=127.0.0.1:{port}&scheme=http"


class FaultyStore:
    """A store that speaks as much of S3 as reading takes, of these `files` in the bucket.

    `before` is awaited before each piece of a file is sent, with the file's name and the piece's first byte;
    the answer that it gives is sent instead.
    """

    def __init__(self, files: dict[str, bytes], before: Before) -> None:
        self.files = files
        self.asked: list[tuple[str, int]] = []
        self._before = before

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Serves while the context lasts, and gives the port."""
        app = web.Application()
        app.router.add_route("*", f"/{BUCKET}/{{path:.*}}", self._answer)
        server = TestServer(app)
        await server.start_server()
        assert server.port is not None
        try:
            yield server.port
        finally:
            await server.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["path"]
        content = self.files.get(name)
        if content is None:
            return web.Response(status=404)
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": str(len(content))})
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        self.asked.append((name, first))
        if (instead := await self._before(name, first)) is not None:
            return instead
        span = f"bytes {first}-{last}/{len(content)}"
        return web.Response(status=206, body=content[first : last + 1], headers={"Content-Range": span})
