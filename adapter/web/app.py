"""The application: routes, what lives as long as it does, and the socket it is served on."""

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable

import uvloop
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from adapter.captioner import Captioner
from adapter.config import Settings
from adapter.engine.launcher import Engine
from adapter.engine.process import LAUNCH_SCRIPT
from adapter.errors import SettingsError
from adapter.prompts import PromptBook
from adapter.sources import ImageLimits
from adapter.web import legacy, openai
from adapter.web.auth import require_key
from adapter.web.bodies import Bodies
from adapter.web.delivery import Delivery
from adapter.web.keys import (
    BODIES,
    BOOK,
    CAPTIONER,
    DELIVERY,
    ENGINE,
    GPU_COUNT,
    HURRY,
    METRICS,
    MODELS,
    PATIENCE,
    REMOTE_IMAGES,
    SETTINGS,
    STARTED,
    STOP,
)
from adapter.web.metrics import Metrics
from adapter.web.middleware import errors_to_json
from adapter.web.neighbours import add_origin_headers, refuse_foreign
from adapter.web.observing import add_request_id, observe
from adapter.web.patience import Patience
from adapter.web.remote_image import RemoteImages
from adapter.web.virtual_models import VirtualModels

SHUTDOWN_TIMEOUT_S = 2.0
HURRIED_DRAIN_S = 5.0  # the UI's stop button counts on the service being gone after 15 s, engine and all
IDLE_CONNECTION_S = 75.0  # also for a request's headers to come; nginx's default
BACKLOG = 1024  # connections that wait to be accepted; a client may send a whole folder at once
LIST_GPUS_TIMEOUT_S = 10.0

log = logging.getLogger("adapter.web")


def make_app(settings: Settings, book: PromptBook, stop: Callable[[], None] | None = None) -> web.Application:
    """The application. Its engine starts and ends with it; `stop` is what `/shutdown` calls."""
    engine = Engine(settings, book)
    captioner = Captioner(engine, settings)
    metrics = Metrics(engine, captioner)
    bodies = Bodies(settings.max_queue_bytes, settings.client_timeout_s)
    delivery = Delivery(settings.client_timeout_s)
    middlewares = [
        observe(metrics, texts=settings.log_captions),
        bodies.middleware,
        delivery.middleware,
        errors_to_json({"/v1": openai.error_body, "/": legacy.error_body}),
        refuse_foreign(settings.host, settings.origins, settings.key),
        require_key(settings.key),
    ]
    app = web.Application(middlewares=middlewares)
    app[SETTINGS] = settings
    app[BOOK] = book
    app[MODELS] = VirtualModels(book)
    app[STARTED] = int(time.time())
    app[GPU_COUNT] = 0
    app[ENGINE] = engine
    app[CAPTIONER] = captioner
    app[METRICS] = metrics
    app[BODIES] = bodies
    app[DELIVERY] = delivery
    app[PATIENCE] = Patience(settings.plain_answer_s, settings.keep_alive_s, delivery)
    app[HURRY] = asyncio.Event()
    app[STOP] = stop or stop_this_process
    limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels)
    app[REMOTE_IMAGES] = RemoteImages(settings.image_hosts, limits, settings.image_fetch_s)
    app.add_routes(legacy.routes)
    app.add_routes(openai.routes)
    app.router.add_get("/metrics", show_metrics)
    app.cleanup_ctx.append(_run_engine)

    async def drain(app: web.Application) -> None:
        longest_s = HURRIED_DRAIN_S if app[HURRY].is_set() else settings.drain_s
        await app[CAPTIONER].drain(min(longest_s, settings.drain_s))

    async def close(app: web.Application) -> None:
        await app[REMOTE_IMAGES].close()

    app.on_response_prepare.append(add_origin_headers)
    app.on_response_prepare.append(add_request_id)
    app.on_shutdown.append(drain)
    app.on_cleanup.append(close)
    return app


async def show_metrics(request: web.Request) -> web.Response:
    return web.Response(body=request.app[METRICS].render(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def stop_this_process() -> None:
    """The way that SIGTERM goes: no new connections, requests under way are drained, the engine ends."""
    signal.raise_signal(signal.SIGTERM)


async def _run_engine(app: web.Application) -> AsyncIterator[None]:
    app[GPU_COUNT] = await count_gpus()
    running = asyncio.create_task(app[ENGINE].run())
    yield
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def count_gpus() -> int:
    """How many NVIDIA GPUs the engine may use; launch_vllm.sh is who knows."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        str(LAUNCH_SCRIPT),
        "--list-gpus",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIST_GPUS_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        log.warning("nvidia-smi doesn't answer: no GPU is counted")
        return 0
    return len(output.splitlines())


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises SettingsError when the address can't be had, or isn't safe."""
    try:
        family, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        is_exposed = not ipaddress.ip_address(address[0]).is_loopback
        if is_exposed and not (settings.key or settings.insecure):
            raise SettingsError(
                f"{settings.host} can be reached from other machines: set CAPTION_API_KEY, so that only "
                "those who have the key can use the service and read its files, or say --insecure"
            )
        if (is_exposed or settings.key) and settings.roots is None:
            raise SettingsError(
                "with a key, or beyond this machine, say which folders clients may have read: set "
                "CAPTION_ALLOWED_ROOTS to them, separated by colons, to none, or to / for every file"
            )
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"can't listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Choose another with --host and --port, or end what listens there"
        ) from error


def serve(settings: Settings, book: PromptBook) -> None:
    """Serves until SIGTERM or Ctrl-C. Raises SettingsError."""
    listener = bind(settings)
    host, port = listener.getsockname()[:2]
    app = make_app(settings, book)
    log.info("listening on http://%s:%s", host, port)
    web.run_app(
        app,
        sock=listener,
        backlog=BACKLOG,
        print=None,
        access_log=None,
        keepalive_timeout=IDLE_CONNECTION_S,
        loop=uvloop.new_event_loop(),
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
    )
