"""The key that the operator may set."""

import pytest
from aiohttp.test_utils import make_mocked_request

from adapter.web.api_key import has_key
from tests.web.conftest import Service

KEYED = {"api_key": "the-key-ü"}


@pytest.mark.parametrize(
    ("header", "right"),
    [
        ("Bearer the-key-ü", True),
        ("bearer  the-key-ü ", True),
        ("Bearer the-key", False),
        ("Bearer the-key-üü", False),
        ("Basic the-key-ü", False),
        ("the-key-ü", False),
        ("Bearer ", False),
        ("", False),
    ],
)
def test_has_key_wants_the_whole_key(header: str, right: bool) -> None:
    """It is sent as OpenAI's clients send it."""
    request = make_mocked_request("GET", "/", headers={"Authorization": header})
    assert has_key(request, "the-key-ü") is right
    assert has_key(request, None)


@pytest.mark.parametrize("starting", [KEYED], indirect=True)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/prompts"),
        ("GET", "/progress"),
        ("POST", "/caption"),
        ("POST", "/batch_caption"),
        ("POST", "/shutdown"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/joycaption"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/v1/none"),
        ("GET", "/metrics"),
        ("GET", "/none"),
    ],
)
async def test_a_request_without_the_key_is_401(service: Service, method: str, path: str) -> None:
    """The answer has the face's own shape, and nothing else happens."""
    url = service.server.make_url(path)
    async with service.session.request(method, url, data=b"{}") as response:
        body = await response.json()
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
    if path.startswith("/v1"):
        assert body["error"]["code"] == "invalid_api_key"
    else:
        assert "API key" in body["error"]
    assert not service.stopped
    assert not service.engine.asked


@pytest.mark.parametrize("starting", [KEYED], indirect=True)
async def test_a_request_with_the_key_is_answered_as_if_none_were_wanted(service: Service) -> None:
    """That holds for each face, and for what /health tells."""
    headers = {"Authorization": "Bearer the-key-ü"}
    for path in ("/prompts", "/progress", "/metrics", "/v1/models"):
        async with service.session.get(service.server.make_url(path), headers=headers) as response:
            assert response.status == 200
    async with service.session.get(service.server.make_url("/health"), headers=headers) as response:
        assert "loading_progress" in await response.json()


@pytest.mark.parametrize("starting", [KEYED], indirect=True)
async def test_health_without_the_key_tells_only_whether_to_caption(service: Service) -> None:
    """No client needs to know more before it has the key."""
    assert await service.get("/health") == (200, {"status": "healthy", "model_loaded": True})
