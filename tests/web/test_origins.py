"""Requests that browsers send for web pages."""

from typing import Any

import pytest

from adapter.web.origins import PREFLIGHT_HEADERS
from tests.web.conftest import Service

ORIGIN = "https://page.example:8443"


async def ask(service: Service, path: str, method: str = "GET", **headers: str) -> tuple[int, Any, str]:
    """Gives an answer's status, headers and text."""
    url = service.server.make_url(path)
    async with service.session.request(method, url, headers=headers) as response:
        text = await response.text()
        return response.status, response.headers, text


@pytest.mark.parametrize("path", ["/health", "/caption", "/v1/models", "/shutdown", "/none"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example:5000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "[::1"},
    ],
)
async def test_a_foreign_page_is_refused(service: Service, path: str, headers: dict[str, str]) -> None:
    """It is known by its origin, or by a name that somebody lets point to this machine."""
    method = "GET" if path.startswith(("/health", "/v1")) else "POST"
    status, _, text = await ask(service, path, method, **headers)
    assert status == 403
    assert "error" in text
    assert not service.stopped


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000", "LOCALHOST", "[::1]:5000", "10.1.2.3"])
async def test_our_own_names_and_addresses_are_served(service: Service, host: str) -> None:
    """That holds for pages of our own and for requests without a page."""
    assert (await ask(service, "/health", Host=host))[0] == 200
    assert (await ask(service, "/health", Host=host, Origin=f"http://{host}"))[0] == 200


@pytest.mark.parametrize("starting", [{"allowed_origins": f"{ORIGIN}, http://b.example"}], indirect=True)
async def test_an_allowed_origin_is_served_as_browsers_want_it(service: Service) -> None:
    """Its preflights, requests and errors have the headers; other origins are still refused."""
    status, headers, _ = await ask(service, "/caption", "OPTIONS", Origin=ORIGIN)
    assert status == 204
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Headers"] == PREFLIGHT_HEADERS
    for path, expected in (("/health", 200), ("/none", 404)):
        status, headers, _ = await ask(service, path, Origin=ORIGIN)
        assert status == expected
        assert headers["Access-Control-Allow-Origin"] == ORIGIN
        assert headers["Vary"] == "Origin"
    assert (await ask(service, "/health", Origin="https://page.example"))[0] == 403
    assert "Access-Control-Allow-Origin" not in (await ask(service, "/health"))[1]
    assert (await ask(service, "/health", Host="page.example:8443"))[0] == 200


@pytest.mark.parametrize("starting", [{"allowed_origins": "*"}], indirect=True)
async def test_any_origin_may_be_allowed(service: Service) -> None:
    """The operator says so on purpose."""
    assert (await ask(service, "/health", Origin="https://any.example"))[0] == 200


@pytest.mark.parametrize("starting", [{"api_key": "k"}], indirect=True)
async def test_the_key_opens_other_names_but_no_origins(service: Service) -> None:
    """Whoever has it may call us by a name of their own, but a browser may send it for any page."""
    key = "Bearer k"
    assert (await ask(service, "/progress", Host="my.example", Authorization=key))[0] == 200
    assert (await ask(service, "/progress", Host="my.example"))[0] == 403
    status, _, _ = await ask(service, "/progress", Origin="https://evil.example", Authorization=key)
    assert status == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
@pytest.mark.parametrize("path", ["/caption", "/batch_caption", "/v1/chat/completions"])
async def test_a_body_of_another_type_is_415(service: Service, path: str, kind: str) -> None:
    """A page may send those without its browser asking us first."""
    url = service.server.make_url(path)
    async with service.session.post(url, data=b"{}", headers={"Content-Type": kind}) as response:
        assert response.status == 415
        assert "application/json" in await response.text()
    headers = {"Content-Type": "application/json; charset=utf-8"}
    async with service.session.post(url, data=b"{}", headers=headers) as response:
        assert response.status == 400
