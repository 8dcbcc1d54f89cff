"""The end of the service, and of its engine: nothing is left of it, and no request is lost."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from demo.samples import FOLDER, SAMPLES
from tests.e2e.conftest import RunningService, start


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[RunningService]:
    """Starts a service, and gives it while its engine is on its way up."""
    service = start(tmp_path)
    try:
        service.wait_for_log("launch: engine starts")
        assert len(service.descendants()) >= 3  # the service, the engine, the guard
        yield service
    finally:
        service.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_service_and_engine(loading: RunningService, number: signal.Signals) -> None:
    """Both end in an orderly way."""
    loading.process.send_signal(number)
    loading.wait_until_gone()
    assert loading.process.returncode == 0


def test_the_death_of_the_service_ends_the_engine(loading: RunningService) -> None:
    """SIGKILL leaves the service no time to say so, but the engine's guard notices."""
    os.kill(loading.process.pid, signal.SIGKILL)
    loading.wait_until_gone()


def test_the_death_of_the_engine_is_told(loading: RunningService) -> None:
    """The service stays up, and says that there is no engine."""
    loading.kill_engine(signal.SIGKILL)
    loading.wait_for_log("The engine was killed")
    assert loading.get("/progress")["status"] == "error"
    assert loading.get("/health")["model_loaded"] is False
    loading.process.send_signal(signal.SIGTERM)
    loading.wait_until_gone()


def ask_all(service: RunningService) -> list[Future[tuple[int, dict[str, Any]]]]:
    """Sends one request for each sample, all together, and gives them while the engine is at work on them."""
    bodies = [{"image_path": str(FOLDER / name), "do_sample": False} for name in SAMPLES]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        pool = ThreadPoolExecutor(len(SAMPLES))
        asked = [pool.submit(service.post, "/caption", body) for body in bodies]
        pool.shutdown(wait=False)
        while not all(one.done() for one in asked):
            if running_requests(service):
                return asked
        # The engine was done with them before anybody saw it at work.
    raise AssertionError("the engine was never seen at work")


def running_requests(service: RunningService) -> int:
    """Gives the number of requests that the engine computes."""
    command = ["curl", "-s", "--unix-socket", service.engine_url.removeprefix("unix:")]
    ended = subprocess.run([*command, "http://engine/metrics"], capture_output=True, text=True, check=False)
    found = re.search(r"^vllm:num_requests_running\{.*?\} (\S+)$", ended.stdout, re.M)
    return int(float(found.group(1))) if found else 0


def test_an_engine_that_ends_or_hangs_is_started_again_and_no_request_is_lost(tmp_path: Path) -> None:
    """Requests under way are sent again and a new one waits; meanwhile the service says that it is away."""
    service = start(tmp_path, CAPTION_ENGINE_SILENCE_S="5", CAPTION_ENGINE_WAIT_S="1")
    try:
        service.wait_until_ready()
        images = [FOLDER / name for name in SAMPLES]
        before = [service.caption(image) for image in images]
        for restarts, number in enumerate((signal.SIGKILL, signal.SIGSTOP), 1):
            under_way = ask_all(service)
            service.kill_engine(number)
            service.wait_for_log("starts again", times=restarts)
            health = service.get("/health")
            assert health["model_loaded"] is True, "captions are expected, for requests are held for them"
            assert [engine["state"] for engine in health["engines"]] == ["restarting"]
            assert service.get("/progress")["status"] != "error"
            assert service.caption(images[0]) == before[0]
            answers = [asked.result() for asked in under_way]
            assert [(status, body.get("caption")) for status, body in answers] == [(200, c) for c in before]
            assert service.get("/health")["model_loaded"] is True
        assert "starts; CAPTION_ENGINE_URL" in (tmp_path / "log/engine.log").read_text()

        # And if the service itself is killed while requests are under way, nothing of it stays.
        under_way = ask_all(service)
        os.kill(service.process.pid, signal.SIGKILL)
        service.wait_until_gone()
        assert all(asked.exception() is not None or asked.result()[0] == 200 for asked in under_way)
    finally:
        service.kill()
