"""The application's life and its socket."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapter.config import Settings
from adapter.errors import SettingsError
from adapter.prompts import PromptBook
from adapter.web.app import bind, count_gpus, make_app
from adapter.web.keys import ENGINE
from tests.waiting import until
from tests.web.conftest import Service


def test_bind_of_a_taken_port_says_so() -> None:
    """Before an engine is started for nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"can't listen on 127.0.0.1:{port}: Address already in use"):
            bind(Settings(port=port))


def test_bind_of_an_unknown_host_says_so() -> None:
    """In one line too."""
    with pytest.raises(SettingsError, match=r"can't listen on none\.invalid:5000"):
        bind(Settings(host="none.invalid"))


def test_bind_to_port_0_picks_one() -> None:
    """For tests and for several services."""
    with bind(Settings(port=0)) as listener:
        assert listener.getsockname()[1] > 0


@pytest.mark.parametrize(
    ("flags", "allowed"),
    [
        ({"host": "0.0.0.0"}, False),
        ({"host": "::"}, False),
        ({"host": "0.0.0.0", "api_key": "k", "allowed_roots": "/tmp"}, True),
        ({"host": "0.0.0.0", "insecure": True, "allowed_roots": "none"}, True),
        ({"host": "localhost"}, True),
        ({"host": "127.0.0.2"}, True),
        ({"host": "::1"}, True),
    ],
)
def test_bind_beyond_this_machine_wants_a_key(flags: dict[str, object], allowed: bool) -> None:
    """Or to be told that it's meant so."""
    settings = Settings.load({"port": 0, **flags})
    if allowed:
        bind(settings).close()
    else:
        with pytest.raises(SettingsError, match="set CAPTION_API_KEY"):
            bind(settings)


@pytest.mark.parametrize(
    "flags", [{"api_key": "k"}, {"host": "0.0.0.0", "api_key": "k"}, {"host": "0.0.0.0", "insecure": True}]
)
def test_bind_for_others_wants_to_know_what_they_may_read(flags: dict[str, object]) -> None:
    """Any file is right only for a person's own service on a person's own machine."""
    with pytest.raises(SettingsError, match="set CAPTION_ALLOWED_ROOTS"):
        bind(Settings.load({"port": 0, **flags}))
    bind(Settings.load({"port": 0, "allowed_roots": "/", **flags})).close()


async def test_count_gpus_without_visible_ones_is_0(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty CUDA_VISIBLE_DEVICES hides all."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert await count_gpus() == 0


async def test_an_unexpected_failure_is_500_without_its_text(book: PromptBook) -> None:
    """The log has it."""

    async def fail(request: web.Request) -> web.StreamResponse:
        raise RuntimeError("secret")

    app = make_app(Settings(engine_url="http://127.0.0.1:1"), book)
    app.router.add_get("/fail", fail)
    async with (
        TestServer(app) as server,
        ClientSession() as session,
        session.get(server.make_url("/fail")) as r,
    ):
        assert r.status == 500
        assert "secret" not in await r.text()


async def test_make_app_has_one_engine(book: PromptBook) -> None:
    """Not started before the application is."""
    app = make_app(Settings(engine_url="http://127.0.0.1:1"), book)
    assert not app[ENGINE].ready


@pytest.mark.parametrize("starting", [{"drain_s": 600, "plain_answer_s": 60}], indirect=True)
async def test_a_stop_button_does_not_wait_for_the_whole_drain(service: Service, picture: Path) -> None:
    """Who pressed it watches; what is under way gets its answer that it was given up."""

    async def never(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    service.engine.answer = never
    waiting = asyncio.create_task(service.post("/caption", {"image_path": str(picture)}))
    await until(lambda: service.engine.under_way == 1)
    await service.post("/shutdown", {})
    async with asyncio.timeout(30):
        await service.app.shutdown()
    status, body = await waiting
    assert (status, body["error"]) == (503, "The service is shutting down")
