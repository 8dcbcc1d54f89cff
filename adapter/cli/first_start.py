"""The first start: answers on the service's address while the service's environment is being made.

start_service.sh runs this with any Python, so it needs the standard library alone. Once there is an
environment this process becomes `joycaption serve`, which is handed the listening socket as systemd would do
it: whoever has asked meanwhile gets an answer.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from adapter.engine.installation import is_mere_progress
from adapter.engine.progress import SERVICE, ProgressReader
from adapter.engine.status import WatchedStatus
from adapter.errors import SettingsError
from adapter.policy import ExitCode
from adapter.web.callers import is_loopback, own_names
from adapter.web.plain_http import (
    MAX_PROGRESS_WAIT_S,
    MAX_REQUEST_BYTES,
    Door,
    PlainRequest,
    read_request,
    response,
)
from adapter.web.predecessor import Predecessor, is_taken, settle, unavailable

CLIENT_S = 30.0  # to send a request
MAX_CLIENTS = 100
HEARD_S = 15.0  # after the last poll of whoever should see that it failed
MIN_LINGER_S, MAX_LINGER_S = 5.0, 180.0
HANDED_OVER = 3  # the descriptor that systemd's protocol hands over first


class FirstStart:
    """Makes the environment by `install`, a command, and answers at `listener` meanwhile."""

    def __init__(self, listener: socket.socket, door: Door, install: Sequence[str]) -> None:
        self.status = WatchedStatus()
        self._door = door
        self._listener = listener
        self._install = install
        self._reader = ProgressReader(SERVICE)
        self.status.update(progress=self._reader.current)
        self._clients: set[asyncio.Task[None]] = set()
        self._heard_s = 0.0
        self._stop = asyncio.Event()

    async def run(self) -> bool | None:
        """Tells whether the environment is there; None where it isn't because somebody has stopped this."""
        loop = asyncio.get_running_loop()
        for ending in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(ending) is not signal.SIG_IGN:  # as nohup has it
                loop.add_signal_handler(ending, self._stop.set)
        # A copy of the socket, for the server closes the one that it was given.
        server = await asyncio.start_server(
            self._serve, sock=self._listener.dup(), limit=MAX_REQUEST_BYTES, backlog=MAX_CLIENTS
        )
        installing = asyncio.create_task(self._make_environment())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({installing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not installing.done():
                return None
            if not installing.result():
                await self._linger()
            return installing.result()
        finally:
            for task in (installing, stopping):
                task.cancel()
            await asyncio.gather(installing, stopping, return_exceptions=True)
            server.close()
            if self.status.value.state == "starting":
                self.status.update(state="ready")  # whoever is held is answered
            if self._clients:
                await asyncio.wait(self._clients, timeout=1.0)

    async def _make_environment(self) -> bool:
        process = await asyncio.create_subprocess_exec(
            *self._install,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # it is ended with all that it has started
            limit=MAX_REQUEST_BYTES * 16,
        )
        try:
            assert process.stdout is not None
            async for data in process.stdout:
                line = data.decode(errors="replace").rstrip()
                self._reader.read(line)
                self.status.update(progress=self._reader.current)
                if not is_mere_progress(line):
                    with contextlib.suppress(OSError):  # nobody reads it any more, or the disk is full
                        print(line, file=sys.stderr, flush=True)
            code = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        if code:
            self._reader.ended(code)
            self.status.update(state="failed", progress=self._reader.current)
        return code == 0

    async def _linger(self) -> None:
        """Stays for whoever polls, to be told what went wrong; AI-Toolkit's UI shows nothing else."""
        loop = asyncio.get_running_loop()
        failed_s = loop.time()
        while not self._stop.is_set() and loop.time() < failed_s + MAX_LINGER_S:
            if loop.time() >= max(failed_s + MIN_LINGER_S, self._heard_s + HEARD_S):
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._stop.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)
        try:
            if len(self._clients) > MAX_CLIENTS:
                return
            async with asyncio.timeout(CLIENT_S):
                asked = await read_request(reader)
            status, body = await self._answer(asked)
            writer.write(response(status, body))
            async with asyncio.timeout(CLIENT_S):
                await writer.drain()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that is slow, has gone, or speaks no HTTP
        finally:
            writer.close()

    async def _answer(self, asked: PlainRequest) -> tuple[str, dict[str, Any]]:
        if refusal := self._door.refusal(asked):
            status, error = refusal
            return status, {"success": False, "error": error}
        self._heard_s = asyncio.get_running_loop().time()
        match asked.method, asked.path:
            case "GET", "/progress":
                return "200 OK", await self._progress(asked.wait_s(MAX_PROGRESS_WAIT_S))
            case "GET", "/health":
                told: dict[str, Any] = {"status": "healthy", "model_loaded": False}
                if self._door.has_key(asked):
                    shown = self.status.shown()
                    told |= {"engine": shown.state, "loading_progress": shown.progress.as_dict()}
                return "200 OK", told
            case "POST", "/shutdown":
                self._stop.set()
                return "200 OK", {"status": "shutting_down", "message": "The installation is given up"}
        error = f"The service isn't ready: {self.status.shown().progress.message}"
        return "503 Service Unavailable", {"success": False, "error": error}

    async def _progress(self, wait_s: float) -> dict[str, Any]:
        first = self.status.value
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self.status.until(
                    lambda now: now.state != "starting" or now.progress.status != first.progress.status
                )
        return self.status.shown().progress.as_dict()


@dataclass(frozen=True)
class Place:
    """Where to answer, as an IP address and a port, and whom."""

    host: str
    port: int
    door: Door


def place_for(host: str, port: str, key: str | None, arguments: Sequence[str]) -> Place | None:
    """Tells where to answer whom, by the variables' values and the arguments of `joycaption serve`.

    None where the service itself should say what is wrong, and beyond this machine.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--host", default=host)
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--api-key", default=key)
    try:
        known, others = parser.parse_known_args(arguments)
        found = socket.getaddrinfo(known.host, known.port, type=socket.SOCK_STREAM)[0][4]
    except (argparse.ArgumentError, OSError, OverflowError, UnicodeError):
        return None
    is_here = isinstance(found[0], str) and is_loopback(found[0]) and 0 < known.port < 2**16
    if not is_here or {"--help", "-h"} & set(others):
        return None
    return Place(str(found[0]), known.port, Door(own_names(known.host), known.api_key))


def listen(host: str, port: int) -> socket.socket | None:
    """Gives the listening socket, None where a service of ours is well there. Raises SettingsError."""
    for _ in range(2):
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            return socket.create_server((host, port), family=family, backlog=MAX_CLIENTS)
        except OSError as error:
            problem = unavailable(host, port, error)
            found = settle(host, port) if is_taken(error) else Predecessor.FOREIGN
            if found is Predecessor.WELL:
                return None
            if found is Predecessor.FOREIGN:
                raise problem from error
    raise problem


def main(key: str | None, program: str, host: str, port: str, *arguments: str) -> NoReturn:
    """Becomes `program serve ARGUMENTS`, once `program --install-only` has made its environment."""
    serve = ["bash", program, "serve", *arguments]
    place = place_for(host, port, key, arguments)
    if place is None:
        os.execvp("bash", serve)  # noqa: S606 - the user's own bash
    try:
        listener = listen(place.host, place.port)
    except SettingsError as error:
        sys.exit(f"error: {error}")
    if listener is None:
        print(f"A service runs on port {place.port} already: there is nothing to start", file=sys.stderr)
        sys.exit(ExitCode.DONE)
    try:
        install = ["env", "CAPTION_PIP_PROGRESS=raw", "bash", program, "--install-only"]
        is_there = asyncio.run(FirstStart(listener, place.door, install).run())
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    if not is_there:
        sys.exit(ExitCode.DONE if is_there is None else 1)
    os.dup2(listener.fileno(), HANDED_OVER)
    os.set_inheritable(HANDED_OVER, True)
    handed = [f"LISTEN_PID={os.getpid()}", "LISTEN_FDS=1"]
    os.execvp("env", ["env", *handed, *serve])  # noqa: S606
