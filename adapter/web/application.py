"""The application as a whole, and the socket that it is served on."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from dataclasses import replace

import uvloop
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from adapter.caption.prompts import PromptBook
from adapter.config import take_listener
from adapter.errors import SettingsError
from adapter.settings import Settings
from adapter.web import lifetimes, server
from adapter.web.access_log import add_request_id, observe, polled
from adapter.web.api_key import require_key
from adapter.web.app_keys import BODIES, BOOK, DELIVERY, HURRY, KEEP_ALIVE, METRICS, SETTINGS, STOP
from adapter.web.callers import is_loopback
from adapter.web.delivery import Delivery
from adapter.web.error_response import answer_errors
from adapter.web.face import FACE
from adapter.web.keep_alive import KeepAlive
from adapter.web.legacy.routes import LEGACY, routes
from adapter.web.metrics import Metrics
from adapter.web.openai.v1 import make_v1
from adapter.web.origins import add_origin_headers, refuse_foreign
from adapter.web.pages.api import SESSIONS, make_api
from adapter.web.pages.datasets import close_runs, runs
from adapter.web.pages.session import Sessions, load_token
from adapter.web.pages.site import Site
from adapter.web.predecessor import Predecessor, is_taken, settle, unavailable
from adapter.web.request_body import Bodies

SHUTDOWN_TIMEOUT_S = 2.0
IDLE_CONNECTION_S = 75.0  # also for a request's headers to come; nginx's default
MAX_HEADERS, MAX_HEADER_BYTES = 64, 8192  # a page of ours brings cookies of other local programs along
BACKLOG = 1024  # connections that wait to be accepted; a client may send a whole folder at once

log = logging.getLogger("adapter.web")


def make_app(settings: Settings, book: PromptBook, stop: Callable[[], None] | None = None) -> web.Application:
    """Gives the application, whose engine starts and ends with it. `stop` is what `/shutdown` calls.

    The legacy contract's routes are at the root, because aiohttp mounts no sub-application there.
    """
    app = web.Application()
    site = Site()
    app[FACE] = replace(LEGACY, open_handlers=LEGACY.open_handlers | {site.home})
    app[SETTINGS] = settings
    app[BOOK] = book
    app[METRICS] = Metrics()
    app[BODIES] = Bodies(settings.max_queue_bytes, settings.client_timeout_s)
    app[DELIVERY] = Delivery(settings.client_timeout_s)
    app[KEEP_ALIVE] = KeepAlive(settings.plain_answer_s, settings.keep_alive_s, app[DELIVERY])
    app[HURRY] = asyncio.Event()
    app[STOP] = stop or stop_this_process
    app.middlewares.extend(  # from the outermost to the innermost, for all faces
        [
            observe(app[METRICS], texts=settings.log_captions),
            app[BODIES].middleware,
            app[DELIVERY].middleware,
            answer_errors,
            refuse_foreign(settings.host, settings.origins, settings.key),
            require_key(settings.key),
        ]
    )
    app.on_response_prepare.extend([add_origin_headers, add_request_id])
    app.cleanup_ctx.extend(
        [
            lifetimes.gpus,
            lifetimes.fleet,
            lifetimes.captioner,
            lifetimes.speculation,
            lifetimes.idling,
            lifetimes.vitals,
            runs,
        ]
    )
    app.on_shutdown.extend([close_runs, lifetimes.drain])
    app.add_routes(routes)
    app.router.add_get("/metrics", show_metrics)
    app.router.add_get("/", site.home)
    app.add_subapp("/page/", site.app())
    app[SESSIONS] = Sessions(load_token(settings.data_dir), settings.key)
    app.add_subapp("/api", make_api(settings, app[SESSIONS]))
    app.add_subapp("/v1", make_v1(settings, book))
    return app


@polled
async def show_metrics(request: web.Request) -> web.Response:
    """Answers the metrics of all faces."""
    return web.Response(body=request.app[METRICS].render(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def stop_this_process() -> None:
    """Does what SIGTERM does: no new connections, requests under way are drained, the engine ends."""
    signal.raise_signal(signal.SIGTERM)


def bind(settings: Settings) -> socket.socket:
    """Gives the listening socket, the one that was handed over if there is one.

    Raises SettingsError where the address is unavailable, or unsafe.
    """
    handed_over = take_listener()
    if handed_over is not None:
        return _adopted(settings, handed_over)
    try:
        family, *_, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        _check_exposure(settings, str(address[0]))
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, UnicodeError) as error:
        raise unavailable(settings.host, settings.port, error) from error


def _adopted(settings: Settings, descriptor: int) -> socket.socket:
    with contextlib.ExitStack() as refused:
        try:
            listener = refused.enter_context(socket.socket(fileno=descriptor))
        except OSError as error:
            raise SettingsError(f"can't listen on what was handed over: {error.strerror}") from error
        if listener.family not in (socket.AF_INET, socket.AF_INET6) or listener.type != socket.SOCK_STREAM:
            raise SettingsError(
                "can't listen on what was handed over: only TCP will do. In a systemd socket unit, set "
                "ListenStream to a port or an address"
            )
        _check_exposure(settings, listener.getsockname()[0])
        listener.set_inheritable(False)
        refused.pop_all()
    return listener


def _check_exposure(settings: Settings, address: str) -> None:
    is_exposed = not is_loopback(address)
    if is_exposed and not (settings.key or settings.insecure):
        raise SettingsError(
            f"{address} can be reached from other machines: set CAPTION_API_KEY, so that only "
            "those who have the key can use the service and read its files, or say --insecure"
        )
    if (is_exposed or settings.key) and settings.roots is None:
        raise SettingsError(
            "with a key, or beyond this machine, say which folders clients may have read: set "
            "CAPTION_ALLOWED_ROOTS to them, separated by colons, to none, or to / for every file"
        )


def serve(settings: Settings, book: PromptBook) -> None:
    """Serves until SIGTERM or Ctrl-C, or not at all where a service of ours is well there already.

    Raises SettingsError.
    """
    try:
        listener = bind(settings)
    except SettingsError as error:
        is_settled = is_taken(error.__cause__)
        found = settle(settings.host, settings.port) if is_settled else Predecessor.FOREIGN
        if found is Predecessor.WELL:
            log.info("a service runs on port %s already: there is nothing to start", settings.port)
            return
        if found is Predecessor.FOREIGN:
            raise
        listener = bind(settings)
    host, port = listener.getsockname()[:2]
    app = make_app(settings, book)
    log.info("listening on http://%s:%s", host, port)
    log.info("the page: %s", app[SESSIONS].link(host, port))
    server.run(
        app,
        listener,
        uvloop.new_event_loop(),
        max_connections=settings.max_connections,
        backlog=BACKLOG,
        access_log=None,
        keepalive_timeout=IDLE_CONNECTION_S,
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        auto_decompress=False,  # a small body would become a huge one before anybody has asked for it
        max_headers=MAX_HEADERS,
        max_field_size=MAX_HEADER_BYTES,
    )
