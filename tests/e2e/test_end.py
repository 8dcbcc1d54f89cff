"""However the service ends, nothing of it is left."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.samples import FOLDER, SAMPLES
from tests.e2e.conftest import RunningService, start


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[RunningService]:
    """A service whose engine is on its way up."""
    service = start(tmp_path)
    try:
        service.wait_for_log("launch: engine starts")
        assert len(service.descendants()) >= 3  # the service, the engine, the guard
        yield service
    finally:
        service.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_service_and_engine(loading: RunningService, number: signal.Signals) -> None:
    """In an orderly way."""
    loading.process.send_signal(number)
    loading.wait_until_gone()
    assert loading.process.returncode == 0


def test_the_death_of_the_service_ends_the_engine(loading: RunningService) -> None:
    """SIGKILL leaves it no time to say so: the engine's guard notices."""
    os.kill(loading.process.pid, signal.SIGKILL)
    loading.wait_until_gone()


def test_the_death_of_the_engine_is_told(loading: RunningService) -> None:
    """The service stays, and says that there is no engine."""
    engine = [pid for pid in loading.descendants() if b"vllm" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert engine
    for pid in engine:
        os.kill(pid, signal.SIGKILL)
    loading.wait_for_log("The engine ended with exit code")
    assert loading.get("/progress")["status"] == "error"
    assert loading.get("/health")["model_loaded"] is False
    loading.process.send_signal(signal.SIGTERM)
    loading.wait_until_gone()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_an_engine_that_ends_or_hangs_is_started_again(tmp_path: Path, number: signal.Signals) -> None:
    """While it is away the service says so; then it captions again."""
    service = start(tmp_path, CAPTION_ENGINE_SILENCE_S="5")
    try:
        service.wait_until_ready()
        image = FOLDER / next(iter(SAMPLES))
        before = service.caption(image)
        for process in service.descendants():
            if b"vllm.entrypoints" in Path(f"/proc/{process}/cmdline").read_bytes():
                os.kill(process, number)
        service.wait_for_log("starts again")
        assert service.get("/health")["model_loaded"] is False
        assert service.get("/progress")["status"] != "error"
        status, body = service.post("/caption", {"image_path": str(image)})
        assert (status, body["success"]) == (503, False)
        service.wait_until_ready()
        assert service.caption(image) == before
    finally:
        service.stop()
