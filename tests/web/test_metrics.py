"""What Prometheus is told."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from adapter.web.access_log import REQUEST_ID_HEADER
from tests.web.conftest import Service


async def samples(service: Service) -> dict[str, float]:
    """Gives every figure by its name and labels."""
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
    """Requests are told apart by face and status, failures by reason, images by stage."""
    await service.post("/batch_caption", {"image_paths": [str(picture), str(picture), "/none.png"]})
    await service.post("/caption", {"image_path": "/none.png"})
    body = {"model": "joycaption", "messages": [{"role": "user", "content": "Hi."}]}
    await service.post("/v1/chat/completions", body)
    await service.get("/v1/none")
    found = await samples(service)
    assert found["joycaption_requests_total{face=legacy,status=200}"] == 1
    assert found["joycaption_requests_total{face=legacy,status=404}"] == 1
    assert found["joycaption_requests_total{face=openai,status=200}"] == 1
    assert found["joycaption_requests_total{face=openai,status=404}"] == 1
    assert found["joycaption_captions_total{}"] == 3
    assert found["joycaption_failures_total{reason=file_missing}"] == 2
    assert found["joycaption_tokens_total{kind=completion}"] == 15
    assert found["joycaption_stage_seconds_count{stage=prepare}"] == 2
    assert found["joycaption_stage_seconds_count{stage=engine}"] == 3
    assert found["joycaption_in_flight{}"] == 0
    assert found["joycaption_queued{}"] == 0
    assert found["joycaption_engine_ready{engine=engine-1}"] == 1
    assert found["joycaption_self_check_passed{engine=engine-1}"] == 1
    assert found["joycaption_engine_restarts{engine=engine-1}"] == 0
    assert found["joycaption_engine_asleep{engine=engine-1}"] == 0
    assert found["joycaption_engine_in_flight{engine=engine-1}"] == 0
    assert found["joycaption_engine_asked{engine=engine-1}"] == 5
    assert found["process_resident_memory_bytes{}"] > 0


async def test_a_stream_counts_as_its_plain_answer_does(service: Service) -> None:
    """Its tokens are counted too."""
    body = {"model": "joycaption", "messages": [{"role": "user", "content": "Hi."}], "stream": True}
    async with service.session.post(service.server.make_url("/v1/chat/completions"), json=body) as response:
        await response.read()
        assert REQUEST_ID_HEADER in response.headers
    found = await samples(service)
    assert found["joycaption_captions_total{}"] == 1
    assert found["joycaption_tokens_total{kind=prompt}"] == 100


async def test_metrics_before_the_engine_is_there_say_so(starting: Service) -> None:
    """They say that it isn't ready, and that nothing is known about its self-check."""
    found = await samples(starting)
    assert found["joycaption_engine_ready{engine=engine-1}"] == 0
    assert found["joycaption_self_check_passed{engine=engine-1}"] == -1
