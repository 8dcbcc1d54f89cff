"""Who may use the page."""

import os
import stat
import threading
from pathlib import Path

import pytest

from adapter.web.pages.session import COOKIE, FILE_NAME, Sessions, load_token
from tests.web.conftest import Service

PROMPTS = "/api/prompts"


def test_load_token_makes_one_that_only_this_user_can_read(tmp_path: Path) -> None:
    """And finds it again."""
    folder = tmp_path / "state"
    token = load_token(folder)
    assert len(token) >= 32
    assert stat.S_IMODE((folder / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert load_token(folder) == token
    assert os.listdir(folder) == [FILE_NAME]


@pytest.mark.parametrize("damage", ["readable", "short", "link", "folder"])
def test_load_token_takes_no_other_file_for_one(tmp_path: Path, damage: str) -> None:
    """Others may have read it, or put it there."""
    path = tmp_path / FILE_NAME
    token = load_token(tmp_path)
    if damage == "readable":
        path.chmod(0o644)
    elif damage == "short":
        path.write_text("x")
    else:
        path.unlink()
    if damage == "link":
        (tmp_path / "elsewhere").write_text("x" * 40)
        path.symlink_to(tmp_path / "elsewhere")
    if damage == "folder":
        path.mkdir()
    again = load_token(tmp_path)
    assert len(again) >= 32
    assert again not in (token, "x" * 40)
    if damage != "folder":
        assert load_token(tmp_path) == again


def test_load_token_of_several_services_at_once_is_one(tmp_path: Path) -> None:
    """Each start would else end the others' links."""
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(load_token(tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {load_token(tmp_path)}


def test_link_goes_where_a_browser_can(tmp_path: Path) -> None:
    """Also where the service listens on all addresses. What is behind the # stays in the browser."""
    sessions = Sessions("t0ken")
    assert sessions.link("0.0.0.0", 5000) == "http://127.0.0.1:5000/#token=t0ken"
    assert sessions.link("::1", 5001) == "http://[::1]:5001/#token=t0ken"


async def begin(service: Service, secret: str) -> tuple[int, str]:
    """Gives the status of a new session, and its cookie."""
    url = service.server.make_url("/api/session")
    async with service.session.post(url, json={"secret": secret}) as response:
        cookie = response.headers.get("Set-Cookie", "")
    service.session.cookie_jar.clear()
    return response.status, cookie


async def status_of(service: Service, **headers: str) -> int:
    async with service.session.get(service.server.make_url(PROMPTS), headers=headers) as response:
        return response.status


async def test_api_wants_the_token_or_a_session(service: Service, tmp_path: Path) -> None:
    """Although there is no key: other users of the machine could write as its owner."""
    token = load_token(tmp_path / "data")
    assert await status_of(service) == 401
    assert await status_of(service, Authorization="Bearer wrong") == 401
    assert await status_of(service, Authorization=f"Bearer {token}") == 200
    assert (await begin(service, "wrong"))[0] == 401
    status, cookie = await begin(service, token)
    assert status == 200
    assert token not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/api"} <= set(cookie.split("; "))
    own = cookie.partition(";")[0]
    assert await status_of(service, Cookie=own) == 200
    host = f"http://{service.server.host}:{service.server.port}"
    assert await status_of(service, Cookie=own, Origin=host) == 200
    for other in (own[:-1], f"{COOKIE}=", f"{COOKIE}=a.b.c", f"{COOKIE}=..", f"{COOKIE}=é.9.é"):
        assert await status_of(service, Cookie=other) == 401
    (tmp_path / "data" / FILE_NAME).unlink()
    assert Sessions(load_token(tmp_path / "data")).token != token


@pytest.mark.parametrize("starting", [{"allowed_origins": "https://a.example"}], indirect=True)
async def test_a_session_is_not_honoured_for_an_allowed_origin(service: Service, tmp_path: Path) -> None:
    """Such a page may caption, but not act as the owner."""
    _, cookie = await begin(service, load_token(tmp_path / "data"))
    own = cookie.partition(";")[0]
    assert await status_of(service, Cookie=own, Origin="https://a.example") == 401
    assert await status_of(service, Cookie=own, Origin="https://b.example") == 403


@pytest.mark.parametrize("starting", [{"api_key": "k3y", "allowed_roots": "/"}], indirect=True)
async def test_with_a_key_the_key_opens_the_page_too(service: Service) -> None:
    """For people at other machines, who don't see the link."""
    assert await status_of(service, Authorization="Bearer k3y") == 200
    status, cookie = await begin(service, "k3y")
    assert (status, "k3y" in cookie) == (200, False)
    assert await status_of(service, Cookie=cookie.partition(";")[0]) == 200
    assert await status_of(service) == 401


async def test_a_session_ends(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a month."""
    _, cookie = await begin(service, load_token(tmp_path / "data"))
    own = cookie.partition(";")[0]
    assert await status_of(service, Cookie=own) == 200
    name, expires, sign = own.split(".")
    assert await status_of(service, Cookie=f"{name}.{int(expires) + 9}.{sign}") == 401
    monkeypatch.setattr("adapter.web.pages.session.time.time", lambda: float(expires) + 1)
    assert await status_of(service, Cookie=own) == 401
