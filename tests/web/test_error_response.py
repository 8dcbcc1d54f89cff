"""Errors as clients get them."""

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from adapter.caption.prompts import PromptBook
from adapter.errors import (
    CaptionError,
    EngineBusyError,
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    FileMissingError,
    InternalError,
    InvalidApiKeyError,
    OutOfResourcesError,
    StoppingError,
)
from adapter.settings import Settings
from adapter.web.application import make_app
from adapter.web.error_response import retry_headers
from tests.web.conftest import Service

AGAIN = {"Retry-After": "5", "x-should-retry": "true"}
NOT_AGAIN = {"x-should-retry": "false"}


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (StoppingError(), AGAIN),
        (OutOfResourcesError("x"), AGAIN),
        (EngineBusyError("x"), AGAIN | {"Retry-After": "2"}),
        (EngineError("x"), NOT_AGAIN),
        (EngineRefusedError("x"), NOT_AGAIN),
        (EngineTimeoutError("x"), NOT_AGAIN),
        (InternalError(), NOT_AGAIN),
        (FileMissingError("x"), {}),
        (InvalidApiKeyError("x"), {"WWW-Authenticate": "Bearer"}),
    ],
)
def test_retry_headers_follow_from_the_error(error: CaptionError, headers: dict[str, str]) -> None:
    """OpenAI's clients ask again after any status from 500 on, unless they are told not to."""
    assert retry_headers(error) == headers


async def test_an_unexpected_failure_is_500_without_its_text(
    book: PromptBook, caplog: pytest.LogCaptureFixture
) -> None:
    """Its text and where it was raised are for the log alone."""

    async def fail(request: web.Request) -> web.StreamResponse:
        raise RuntimeError("secret")

    app = make_app(Settings(engine_url="http://127.0.0.1:1"), book)
    app.router.add_get("/fail", fail)
    async with (
        TestServer(app) as server,
        ClientSession() as session,
        session.get(server.make_url("/fail")) as response,
    ):
        assert response.status == 500
        assert await response.json() == {
            "success": False,
            "error": "Internal error; the service's log has the details",
        }
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/none", 404), ("GET", "/v2/models", 404), ("GET", "/caption", 405), ("POST", "/health", 405)],
)
async def test_a_wrong_address_is_answered_in_json(
    service: Service, method: str, path: str, status: int
) -> None:
    """The contract's clients parse every answer."""
    async with service.session.request(method, service.server.make_url(path)) as response:
        assert response.status == status
        assert (await response.json())["success"] is False
        assert ("Allow" in response.headers) is (status == 405)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/chat/completions", 405),
        ("GET", "/v1/none", 404),
        ("POST", "/v1/embeddings", 404),
        ("GET", "/v1", 404),
    ],
)
async def test_a_wrong_address_below_v1_is_answered_in_openais_shape(
    service: Service, method: str, path: str, status: int
) -> None:
    """Each face answers for all paths below its own."""
    async with service.session.request(method, service.server.make_url(path)) as response:
        assert response.status == status
        error = (await response.json())["error"]
        assert (error["type"], error["code"]) == ("invalid_request_error", "unrouted_request")
        assert ("Allow" in response.headers) is (status == 405)
