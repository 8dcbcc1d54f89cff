"""Ids, lines of the log, and the metrics of adapter.web.metrics."""

import logging
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapter.web.observing import REQUEST_ID_HEADER
from tests.web.conftest import Service


async def samples(service: Service) -> dict[str, float]:
    """Every figure, by its name with its labels."""
    async with service.session.get(service.server.make_url("/metrics")) as response:
        assert response.status == 200
        text = await response.text()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


async def test_metrics_count_what_was_asked_and_what_came_of_it(service: Service, picture: Path) -> None:
    """By face, status and reason, with each image's stages and tokens."""
    await service.post("/batch_caption", {"image_paths": [str(picture), str(picture), "/none.png"]})
    await service.post("/caption", {"image_path": "/none.png"})
    body = {"model": "joycaption", "messages": [{"role": "user", "content": "Hi."}]}
    await service.post("/v1/chat/completions", body)
    found = await samples(service)
    assert found["joycaption_requests_total{face=legacy,status=200}"] == 1
    assert found["joycaption_requests_total{face=legacy,status=404}"] == 1
    assert found["joycaption_requests_total{face=openai,status=200}"] == 1
    assert found["joycaption_captions_total{}"] == 3
    assert found["joycaption_failures_total{reason=file_missing}"] == 2
    assert found["joycaption_tokens_total{kind=completion}"] == 15
    assert found["joycaption_stage_seconds_count{stage=prepare}"] == 2
    assert found["joycaption_stage_seconds_count{stage=engine}"] == 3
    assert found["joycaption_in_flight{}"] == 0
    assert found["joycaption_queued{}"] == 0
    assert found["joycaption_engine_ready{}"] == 1
    assert found["joycaption_self_check_passed{}"] == 1
    assert found["joycaption_engine_restarts{}"] == 0
    assert found["process_resident_memory_bytes{}"] > 0


async def test_a_stream_counts_as_its_plain_answer_does(service: Service) -> None:
    """Its tokens too."""
    body = {"model": "joycaption", "messages": [{"role": "user", "content": "Hi."}], "stream": True}
    async with service.session.post(service.server.make_url("/v1/chat/completions"), json=body) as response:
        await response.read()
        assert REQUEST_ID_HEADER in response.headers
    found = await samples(service)
    assert found["joycaption_captions_total{}"] == 1
    assert found["joycaption_tokens_total{kind=prompt}"] == 100


async def test_metrics_before_the_engine_is_there(starting: Service) -> None:
    """They tell that it isn't."""
    found = await samples(starting)
    assert found["joycaption_engine_ready{}"] == 0
    assert found["joycaption_self_check_passed{}"] == -1


async def test_a_request_is_one_line_without_its_texts(
    service: Service, picture: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With its id, which comes back as a header, its image, its stages and what came of it."""
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
    """An id that could forge a line is replaced."""
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
    """By the operator."""
    caplog.set_level(logging.INFO, "adapter.request")
    await service.post("/caption", {"image_path": str(picture), "prompt": "My prompt."})
    assert "prompt='My prompt.' caption='a picture" in caplog.text
