"""What answers while the service's environment is being made."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from adapter.cli import first_start
from adapter.cli.first_start import FirstStart, listen, place_for
from adapter.config import PROJECT_DIR
from adapter.errors import SettingsError
from adapter.web.plain_http import Door, PlainRequest

LIMIT_S = 60


@dataclass
class Installing:
    """A first start whose installation prints what the test tells it to, and how it ends."""

    port: int
    session: ClientSession
    tell: Callable[[str], None]
    running: asyncio.Task[bool | None]

    async def ask(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
        """Gives the status and the JSON of an answer."""
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.session.request(method, url, headers=headers) as response:
            return response.status, await response.json()

    async def progress_with(self, words: str) -> dict[str, Any]:
        """Waits until the progress says so."""
        while words not in (told := (await self.ask("GET", "/progress?wait_s=0.05"))[1])["message"]:
            pass
        return told


@pytest.fixture
def key() -> str | None:
    """Gives the key that the first start wants, none."""
    return None


@pytest.fixture
async def installing(tmp_path: Path, key: str | None) -> AsyncIterator[Installing]:
    """Gives a first start that waits for the test's words."""
    words = tmp_path / "words"
    os.mkfifo(words)
    script = (
        'while read -r word line; do if [[ $word == end ]]; then exit "$line"; fi; echo "$line"; done <"$1"'
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        first = FirstStart(listener, Door({"localhost"}, key), ["bash", "-c", script, "bash", str(words)])
        running = asyncio.create_task(first.run())
        end = await asyncio.to_thread(words.open, "w")

        def tell(line: str) -> None:
            end.write(f"{line}\n")
            end.flush()

        async with asyncio.timeout(LIMIT_S), ClientSession() as session:
            yield Installing(listener.getsockname()[1], session, tell, running)
            if not running.done():
                os.kill(os.getpid(), signal.SIGTERM)
            await running
        end.close()


async def test_progress_tells_what_is_installed(installing: Installing) -> None:
    """AI-Toolkit's UI would else see nobody for minutes."""
    assert (await installing.ask("GET", "/progress?wait_s=0"))[1]["message"] == "Starting"
    installing.tell("print Collecting aiohttp==3.14")
    told = await installing.progress_with("aiohttp")
    assert told["message"] == "Installing the service: aiohttp, finding out what it needs"
    assert told["status"] == "loading"
    assert 0 < told["progress"] < 0.05
    status, health = await installing.ask("GET", "/health")
    assert status == 200
    assert (health["status"], health["model_loaded"], health["engine"]) == ("healthy", False, "starting")
    assert health["loading_progress"] == told


async def test_other_requests_are_told_to_come_again(installing: Installing) -> None:
    """With the error where clients of the contract look for it."""
    status, body = await installing.ask("POST", "/caption")
    assert status == 503
    assert body == {"success": False, "error": "The service isn't ready: Starting"}


async def test_progress_is_held_and_answered_when_the_environment_is_there(installing: Installing) -> None:
    """Nobody who waits is dropped, and the next request finds the service."""
    held = asyncio.create_task(installing.ask("GET", "/progress"))
    await installing.ask("GET", "/health")
    assert not held.done()
    installing.tell("end 0")
    assert await installing.running is True
    assert (await held)[0] == 200


async def test_an_installation_that_fails_is_told_to_who_polls(
    installing: Installing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And then the start ends as failed."""
    monkeypatch.setattr(first_start, "MIN_LINGER_S", 0.5)
    monkeypatch.setattr(first_start, "HEARD_S", 0.5)
    installing.tell("print OSError: [Errno 28] No space left on device")
    installing.tell("end 3")
    told = await installing.progress_with("No space is left on the disk")
    assert told["status"] == "error"
    assert (await installing.ask("GET", "/progress"))[1] == told, "it isn't held: nothing else will come"
    assert (await installing.ask("GET", "/health"))[1]["engine"] == "failed"
    assert await installing.running is False


async def test_shutdown_ends_the_installation(installing: Installing) -> None:
    """With all that it has started."""
    status, _ = await installing.ask("POST", "/shutdown", Origin="http://evil.example")
    assert status == 403
    status, body = await installing.ask("POST", "/shutdown")
    assert (status, body["status"]) == (200, "shutting_down")
    assert await installing.running is None


@pytest.mark.parametrize("key", ["the-key"])
async def test_a_key_is_wanted_as_by_the_service(installing: Installing) -> None:
    """Whoever doesn't show it learns no more than that something is there."""
    for method, path in (("GET", "/progress"), ("POST", "/shutdown"), ("POST", "/caption")):
        status, body = await installing.ask(method, path, Authorization="Bearer wrong")
        assert (status, body["success"]) == (401, False)
    assert await installing.ask("GET", "/health") == (200, {"status": "healthy", "model_loaded": False})
    right = {"Authorization": "Bearer the-key"}
    assert (await installing.ask("GET", "/health", **right))[1]["engine"] == "starting"
    assert (await installing.ask("GET", "/progress?wait_s=0", **right))[0] == 200
    assert (await installing.ask("POST", "/shutdown", Host="any.example", **right))[0] == 200
    assert await installing.running is None


@pytest.mark.parametrize("path", ["/progress?wait_s=0", "/health"])
async def test_a_page_under_a_foreign_name_learns_nothing(installing: Installing, path: str) -> None:
    """As it learns nothing from the service."""
    assert (await installing.ask("GET", path, Host="evil.example"))[0] == 403


async def test_the_terminal_s_end_ends_the_installation(installing: Installing) -> None:
    """It runs in a session of its own, which nobody else would end."""
    assert (await installing.ask("GET", "/health"))[0] == 200
    os.kill(os.getpid(), signal.SIGHUP)
    assert await installing.running is None


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets what is printed to stderr go where there is no room."""
    with contextlib.suppress(OSError), Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        yield


@pytest.mark.usefixtures("full_disk")
async def test_an_installation_goes_on_where_its_lines_cannot_be_written(installing: Installing) -> None:
    """Whoever polls is told what becomes of it all the same."""
    installing.tell("print Collecting aiohttp==3.14")
    installing.tell("end 0")
    assert await installing.running is True


async def test_clients_that_speak_no_http_harm_nobody(installing: Installing) -> None:
    """Nor do those that say nothing, or too much."""
    silent = [await asyncio.open_connection("127.0.0.1", installing.port) for _ in range(20)]
    for data in (b"\r\n\r\n", b"\0" * 100_000, b"GET / HTTP/1.1\r\nContent-Length: 10\r\n\r\nx"):
        _, writer = await asyncio.open_connection("127.0.0.1", installing.port)
        writer.write(data)
        writer.close()
    assert (await installing.ask("GET", "/progress?wait_s=0"))[0] == 200
    for _, writer in silent:
        writer.close()


@pytest.mark.parametrize(
    ("host", "port", "arguments", "expected"),
    [
        ("127.0.0.1", "5000", [], ("127.0.0.1", 5000)),
        ("localhost", "5001", ["--model", "x"], ("127.0.0.1", 5001)),
        ("0.0.0.0", "5000", ["--host", "127.0.0.2", "--port=7"], ("127.0.0.2", 7)),
        ("::1", "5000", [], ("::1", 5000)),
        ("0.0.0.0", "5000", [], None),
        ("127.0.0.1", "0", [], None),
        ("127.0.0.1", "x", [], None),
        ("127.0.0.1", "70000", [], None),
        ("127.0.0.1", "5000", ["--port"], None),
        ("127.0.0.1", "5000", ["--help"], None),
        ("no.such.host.example", "5000", [], None),
        ("a..b", "5000", [], None),
    ],
)
def test_place_for_is_this_machine_s_or_none(
    host: str, port: str, arguments: list[str], expected: tuple[str, int] | None
) -> None:
    """What is wrong the service says better, and beyond this machine it wants a key."""
    place = place_for(host, port, None, arguments)
    found = None if place is None else (place.host, place.port)
    if host == "localhost" and found is not None:
        found = ("127.0.0.1", found[1])  # or ::1, as the machine has it
    assert found == expected


@pytest.mark.parametrize(("arguments", "key"), [([], "set"), (["--api-key", "given"], "given")])
def test_place_for_takes_the_key_from_the_variable_or_the_arguments(arguments: list[str], key: str) -> None:
    """As `joycaption serve` does; --host and --port stand beside it."""
    place = place_for("localhost", "5000", "set", ["--port", "5001", *arguments])
    assert place is not None
    asked = PlainRequest("GET", "/progress", "", {"host": "localhost", "authorization": f"Bearer {key}"})
    assert place.door.refusal(asked) is None
    assert place.door.refusal(replace(asked, headers={"host": "localhost"})) is not None


def test_listen_where_something_else_listens_is_an_error() -> None:
    """Before anything is installed."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(0)
        with pytest.raises(SettingsError, match="can't listen on"):
            listen("127.0.0.1", other.getsockname()[1])


async def test_the_service_takes_the_socket_over(tmp_path: Path) -> None:
    """Through the start script's own way, with an installation that takes as long as the test likes."""
    words = tmp_path / "words"
    os.mkfifo(words)
    program = tmp_path / "joycaption"
    program.write_text(
        f'if [[ $1 == --install-only ]]; then read -r _ <"{words}"; exit; fi\n'
        f'exec "{sys.executable}" -m adapter "$@"\n'
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = ["--engine-url", "http://127.0.0.1:9", "--data-dir", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-P", str(PROJECT_DIR / "scripts/first_start.py")),
        *(str(program), "127.0.0.1", str(port), *serve),
        env={**os.environ, "PYTHONPATH": str(PROJECT_DIR)},
    )
    try:
        async with asyncio.timeout(LIMIT_S), ClientSession() as session:

            async def health() -> dict[str, Any]:
                async with session.get(f"http://127.0.0.1:{port}/health") as response:
                    return dict(await response.json())

            while True:
                try:
                    first = await health()
                    break
                except OSError:
                    await asyncio.sleep(0.05)
            assert "engines" not in first
            words.write_text("go\n")
            # From here on each request is answered, by the one or the other.
            while "engines" not in (told := await health()):
                assert told["status"] == "healthy"
            assert told["engines"][0]["url"] == "http://127.0.0.1:9"
    finally:
        process.terminate()
        assert await process.wait() == 0
