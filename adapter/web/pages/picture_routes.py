"""The routes of `/api/datasets` that answer pictures: small ones, and the images themselves."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from adapter.captioner.priority import Priority
from adapter.images.sources import ImageLimits
from adapter.web.access_log import polled
from adapter.web.app_keys import CAPTIONER, SETTINGS
from adapter.web.pages.review_body import to_key
from adapter.web.pages.review_routes import review_of
from adapter.web.pages.thumbnails import Thumbnails

THUMBNAILS = web.AppKey("thumbnails", Thumbnails)
READING = web.AppKey("reading", asyncio.Semaphore)
MAX_READING = 4  # whole images in memory at one time
FOLDER = "thumbnails"
WEBP = "image/webp"
# What browsers show themselves, upright, by how a file begins: after some bytes, these.
SIGNATURES = (
    ("image/jpeg", 0, b"\xff\xd8\xff"),
    ("image/png", 0, b"\x89PNG\r\n\x1a\n"),
    ("image/gif", 0, b"GIF8"),
    (WEBP, 8, b"WEBP"),
    ("image/avif", 4, b"ftypavif"),
    ("image/bmp", 0, b"BM"),
)
SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}

routes = web.RouteTableDef()


async def pictures(app: web.Application) -> AsyncIterator[None]:
    """Holds the small pictures that are kept."""
    app[THUMBNAILS] = Thumbnails(app[SETTINGS].data_dir / FOLDER)
    app[READING] = asyncio.Semaphore(MAX_READING)
    yield


@routes.get("/datasets/{id}/thumbnail")
@polled
async def show_small(request: web.Request) -> web.Response:
    """Answers a small picture of an image, 320 pixels at most, as WebP."""
    shared = request.config_dict
    key = to_key(request.query.get("image", ""))
    source, version = await asyncio.to_thread(review_of(request).desk.image, key)
    picture = await shared[THUMBNAILS].get(
        source.path, version, lambda: shared[CAPTIONER].preparation.thumbnail(source, Priority.BATCH)
    )
    kept = "private, max-age=31536000, immutable" if "version" in request.query else "no-cache"
    return web.Response(body=picture, content_type=WEBP, headers={**SAFE, "Cache-Control": kept})


@routes.get("/datasets/{id}/picture")
async def show_whole(request: web.Request) -> web.Response:
    """Answers an image at its full size: its own file where browsers show that, else as WebP."""
    shared = request.config_dict
    settings = shared[SETTINGS]
    key = to_key(request.query.get("image", ""))
    source, _ = await asyncio.to_thread(review_of(request).desk.image, key)
    limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels, settings.roots)
    async with shared[READING]:
        data = await asyncio.to_thread(source.read, limits)
        kind = _kind(data)
        if kind is None:
            kind, data = WEBP, await shared[CAPTIONER].preparation.whole(source, Priority.BATCH)
        return web.Response(body=data, content_type=kind, headers={**SAFE, "Cache-Control": "no-cache"})


def _kind(data: bytes) -> str | None:
    """Gives the type of a file that browsers show, None for others."""
    return next((kind for kind, place, mark in SIGNATURES if data.startswith(mark, place)), None)
