"""The application as a whole, and its socket."""

import os
import socket

import pytest
from aiohttp.test_utils import TestServer

from adapter import config
from adapter.caption.prompts import PromptBook
from adapter.errors import SettingsError, StoppingError
from adapter.settings import Settings
from adapter.web.app_keys import CAPTIONER, FLEET
from adapter.web.application import bind, make_app

NO_ENGINE = "http://127.0.0.1:1"


def test_bind_of_a_taken_port_says_so() -> None:
    """The service refuses before it starts an engine for nothing."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"can't listen on 127.0.0.1:{port}: Address already in use"):
            bind(Settings(port=port))


def test_bind_of_an_unknown_host_says_so() -> None:
    """A host that can't be resolved is reported in one line too."""
    with pytest.raises(SettingsError, match=r"can't listen on none\.invalid:5000"):
        bind(Settings(host="none.invalid"))


@pytest.mark.parametrize("host", ["a..b", "x" * 70])
def test_bind_of_what_is_no_name_says_so(host: str) -> None:
    """Python calls those a matter of encoding."""
    with pytest.raises(SettingsError, match="That is no host's name"):
        bind(Settings(host=host))


def hand_over(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Does as systemd does, at whichever descriptor: that of its protocol is the test runner's."""
    monkeypatch.setattr(config, "FIRST_HANDED_OVER", os.dup(descriptor))
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", "1")


def test_bind_takes_what_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the engine doesn't inherit it."""
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        hand_over(theirs.fileno(), monkeypatch)
        with bind(Settings()) as ours:
            assert ours.getsockname() == theirs.getsockname()
            assert not ours.get_inheritable()
    assert "LISTEN_FDS" not in os.environ


@pytest.mark.parametrize(
    ("family", "kind"),
    [(socket.AF_UNIX, socket.SOCK_STREAM), (socket.AF_INET, socket.SOCK_DGRAM)],
)
def test_bind_takes_over_nothing_but_tcp(
    family: socket.AddressFamily, kind: socket.SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit with a path or a datagram port is answered with what to write into it."""
    with socket.socket(family, kind) as other:
        hand_over(other.fileno(), monkeypatch)
        with pytest.raises(SettingsError, match="only TCP will do"):
            bind(Settings())


def test_bind_names_the_address_that_was_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It isn't CAPTION_HOST that makes the service reachable then."""
    with socket.create_server(("0.0.0.0", 0)) as other:
        hand_over(other.fileno(), monkeypatch)
        with pytest.raises(SettingsError, match=r"^0\.0\.0\.0 can be reached"):
            bind(Settings())


def test_bind_to_port_0_picks_one() -> None:
    """Tests, and several services on one machine, need a port that is free."""
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
    """The operator may also say that the service is meant to be open."""
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
    """To read any file is right only for a person's own service on a person's own machine."""
    with pytest.raises(SettingsError, match="set CAPTION_ALLOWED_ROOTS"):
        bind(Settings.load({"port": 0, **flags}))
    bind(Settings.load({"port": 0, "allowed_roots": "/", **flags})).close()


async def test_an_application_that_ends_takes_engine_and_captioner_along(book: PromptBook) -> None:
    """Neither exists before the application starts, and neither is of use after it has ended."""
    app = make_app(Settings(engine_url=NO_ENGINE), book)
    assert FLEET not in app
    assert CAPTIONER not in app
    async with TestServer(app):
        fleet, captioner = app[FLEET], app[CAPTIONER]
        before = fleet.status.state
    assert (before, fleet.status.state) == ("starting", "failed")
    with pytest.raises(StoppingError):
        async with captioner.admit(1):
            pass


async def test_two_applications_share_nothing(book: PromptBook) -> None:
    """Several services can live in one process, as they do in these tests."""
    first, second = (make_app(Settings(engine_url=NO_ENGINE), book) for _ in range(2))
    async with TestServer(first), TestServer(second):
        assert first[FLEET] is not second[FLEET]
        assert first[CAPTIONER].admission is not second[CAPTIONER].admission
