"""The ids of requests, and their lines in the log."""

import logging
from pathlib import Path

import pytest

from adapter.web.access_log import REQUEST_ID_HEADER
from tests.web.conftest import Service


async def test_a_request_is_one_line_without_its_texts(
    service: Service, picture: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The line has its id, which comes back as a header, its image, its stages and what came of it."""
    caplog.set_level(logging.INFO, "adapter.request")
    url = service.server.make_url("/caption")
    body = {"image_path": str(picture), "prompt": "A secret prompt."}
    async with service.session.post(url, json=body, headers={REQUEST_ID_HEADER: "mine-1"}) as response:
        assert response.headers[REQUEST_ID_HEADER] == "mine-1"
    await service.get("/health")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "adapter.request"]
    assert line.startswith("POST /caption status=200 seconds=")
    for part in (
        "id=mine-1",
        f"image={picture}",
        "read_s=",
        "prepare_s=",
        "engine_s=",
        "tokens=5",
    ):
        assert f" {part}" in line
    assert "secret" not in caplog.text
    assert "a picture" not in caplog.text


async def test_a_failed_request_says_why_in_its_line(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """An id that could forge a line of the log is replaced by one of ours."""
    caplog.set_level(logging.INFO, "adapter.request")
    url = service.server.make_url("/caption")
    headers = {REQUEST_ID_HEADER: "x status=200"}
    async with service.session.post(url, json={"image_path": "/none.png"}, headers=headers) as response:
        given = response.headers[REQUEST_ID_HEADER]
    assert " " not in given
    (line,) = [record.getMessage() for record in caplog.records if record.name == "adapter.request"]
    assert "status=404" in line
    assert "failures={'file_missing': 1}" in line
    assert f"id={given}" in line


@pytest.mark.parametrize("starting", [{"log_captions": True}], indirect=True)
async def test_texts_are_logged_when_asked_for(
    service: Service, picture: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The operator asks for them with a setting."""
    caplog.set_level(logging.INFO, "adapter.request")
    await service.post("/caption", {"image_path": str(picture), "prompt": "My prompt."})
    assert "prompt='My prompt.' caption='a picture" in caplog.text


@pytest.mark.parametrize("starting", [{"api_key": "k"}], indirect=True)
@pytest.mark.parametrize("path", ["/health", "/progress", "/metrics"])
async def test_a_request_that_is_polled_is_a_line_only_where_it_fails(
    service: Service, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """Clients poll once a second, which would drown all else in the log."""
    caplog.set_level(logging.DEBUG, "adapter.request")
    url = service.server.make_url(path)
    async with service.session.get(url, headers={"Authorization": "Bearer k"}) as response:
        assert response.status == 200
    async with service.session.post(url, headers={"Authorization": "Bearer k"}) as response:
        assert response.status == 405
    levels = [record.levelno for record in caplog.records if record.name == "adapter.request"]
    assert levels == [logging.DEBUG, logging.INFO]
