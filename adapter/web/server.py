"""Runs the application on a socket, for a limited number of connections, until a signal ends it."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_runner import GracefulExit

REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class _Refusing(asyncio.Protocol):
    """Answers whoever comes when there are too many already."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(REFUSAL)
        transport.close()


def limited(server: web.Server, max_connections: int) -> Callable[[], asyncio.BaseProtocol]:
    """Gives a factory of protocols for a listening socket: the server's, while it has fewer connections."""

    def protocol() -> asyncio.BaseProtocol:
        return _Refusing() if len(server.connections) >= max_connections else server()

    return protocol


def run(
    app: web.Application,
    listener: socket.socket,
    loop: asyncio.AbstractEventLoop,
    *,
    max_connections: int,
    backlog: int,
    **options: Any,
) -> None:
    """Serves `app` until SIGTERM or Ctrl-C, and lets it end in order. `options` are those of an AppRunner.

    It is what `web.run_app` does, which has no limit for connections.
    """

    async def serve() -> None:
        runner = web.AppRunner(app, handle_signals=True, **options)
        try:
            await runner.setup()
            assert runner.server is not None
            server = await loop.create_server(
                limited(runner.server, max_connections), sock=listener, backlog=backlog
            )
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
        finally:
            await runner.cleanup()

    asyncio.set_event_loop(loop)
    serving = loop.create_task(serve())
    try:
        with contextlib.suppress(GracefulExit, KeyboardInterrupt):
            loop.run_until_complete(serving)
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(serving)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
        asyncio.set_event_loop(None)
