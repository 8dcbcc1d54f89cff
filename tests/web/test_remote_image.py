"""Images at URLs, fetched from a server on this machine that counts as allowed where the test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapter.errors import CaptionError, ImageTooLargeError, RemoteImageError
from adapter.images.sources import ImageBytes, ImageLimits
from adapter.web.remote_image import RemoteImages, is_public

LIMITS = ImageLimits(max_bytes=1000, max_pixels=10**6)


@dataclass
class Host:
    """A server of images, and what it was asked for."""

    port: int = 0
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answers as the path says."""
        self.asked.append(request.path_qs)
        match request.path:
            case "/image":
                return web.Response(body=b"bytes")
            case "/exact":
                return web.Response(body=b"x" * LIMITS.max_bytes)
            case "/large":
                response = web.StreamResponse()
                await response.prepare(request)
                for _ in range(100):
                    await response.write(b"x" * 100)
                return response
            case "/slow":
                await asyncio.Event().wait()
            case "/loop":
                raise web.HTTPFound("/loop")
            case "/once":
                raise web.HTTPMovedPermanently("/image")
            case "/away":
                raise web.HTTPFound(request.query["to"])
        raise web.HTTPNotFound


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    """Starts such a server."""
    host = Host()
    app = web.Application()
    app.router.add_get("/{path}", host.answer)
    async with TestServer(app) as server:
        assert server.port is not None
        host.port = server.port
        yield host


async def fetch(
    host: Host,
    url: str,
    *,
    hosts: tuple[str, ...] | None = None,
    allow: Callable[[str], bool] = lambda address: True,
) -> ImageBytes:
    """Fetches `url`, in which PORT stands for the server's."""
    allowed = (f"localhost:{host.port}", f"127.0.0.1:{host.port}") if hosts is None else hosts
    images = RemoteImages(allowed, LIMITS, 0.5, allow)
    try:
        return await images.fetch(url.replace("PORT", str(host.port)))
    finally:
        await images.close()


@pytest.mark.parametrize("path", ["image", "once", "exact"])
async def test_fetch_gives_the_files_bytes(host: Host, path: str) -> None:
    """It follows redirects on the way."""
    image = await fetch(host, f"http://LOCALHOST:PORT/{path}")
    assert image.read(LIMITS) == (b"x" * LIMITS.max_bytes if path == "exact" else b"bytes")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://other.example/image", "not fetched from other.example"),
        ("http://localhost/image", "not fetched from localhost"),
        ("http://localhost:PORT.evil.example/image", "can't be read"),
        ("http://localhost.evil.example:PORT/image", "not fetched from"),
        ("http://user:secret@localhost:PORT/image", "not fetched from"),
        ("https://localhost:PORT/image", "can't be fetched"),
        ("ftp://localhost:PORT/image", "not fetched from"),
        ("http://localhost:PORT/none", "status 404"),
        ("http://localhost:PORT/loop", "redirects too often"),
        ("http://localhost:PORT/slow", "longer than 0.5 s"),
        ("http://localhost:PORT/away?to=http://169.254.169.254/latest", "not fetched from 169.254.169.254"),
        ("http://localhost:PORT/away?to=file:///etc/passwd", "not fetched from"),
        ("http://[::1", "can't be read"),
        ("http:///image", "not fetched from there"),
    ],
)
async def test_fetch_from_elsewhere_or_of_nothing_is_refused(host: Host, url: str, reason: str) -> None:
    """The error comes in time, and says what is wrong without repeating a password."""
    with pytest.raises(RemoteImageError, match=reason) as caught:
        async with asyncio.timeout(10):
            await fetch(host, url)
    assert caught.value.status == 400
    assert "secret" not in str(caught.value)


async def test_fetch_of_a_large_file_stops_at_the_limit(host: Host) -> None:
    """The host doesn't tell the length beforehand."""
    with pytest.raises(ImageTooLargeError):
        await fetch(host, "http://localhost:PORT/large")


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_fetch_from_an_address_of_this_network_is_refused(host: Host, name: str) -> None:
    """Nothing is sent there, by name or as a number, even if the operator has listed it."""
    with pytest.raises(RemoteImageError, match="no public address"):
        await fetch(host, f"http://{name}:PORT/image", allow=is_public)
    assert not host.asked


async def test_fetch_without_any_host_says_how_to_allow_some(host: Host) -> None:
    """Nothing is fetched by default."""
    with pytest.raises(CaptionError, match="CAPTION_ALLOWED_IMAGE_HOSTS"):
        await fetch(host, "http://localhost:PORT/image", hosts=())
    assert not host.asked


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700:4700::1111", True),
        ("127.0.0.1", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("fec0::1", False),
        ("::127.0.0.1", False),
        ("::ffff:0:7f00:1", False),
        ("2606:4700::5efe:127.0.0.1", False),
        ("2606:4700::200:5efe:8.8.8.8", False),
        ("ff02::1", False),
        ("localhost", False),
    ],
)
def test_is_public_knows_each_kind_of_address(address: str, public: bool) -> None:
    """The kinds are those of IANA's registries of special addresses."""
    assert is_public(address) is public
