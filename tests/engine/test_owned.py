"""How an engine of our own is started, watched and ended. `e2e` starts the real one."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR
from adapter.engine.deployment import fleet_for
from adapter.engine.discovery import find_engines
from adapter.engine.fleet import running
from adapter.engine.owned import OwnedEngine
from adapter.engine_settings import EngineSettings
from adapter.errors import EngineNotReadyError
from adapter.settings import RunSettings
from tests import stand_in_vllm
from tests.processes import descendants
from tests.waiting import until

STARTED_FOR_S = 60.0  # the launch script and the stand-in take seconds on a busy machine


def servers() -> list[int]:
    """Gives the processes of stand-ins that serve."""
    return [pid for pid, command in descendants().items() if b"stand_in" in command and b"--uds" in command]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], RunSettings]:
    """Makes settings with which launch_vllm.sh starts the stand-in for vLLM."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PROJECT_DIR}/tests/stand_in_vllm.py" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT_DIR))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def make(behaviour: str) -> RunSettings:
        monkeypatch.setenv("STAND_IN", behaviour)
        folders = {"log_dir": tmp_path / "log", "run_dir": tmp_path / "run"}
        return RunSettings.load({"engine_python": python, **folders})

    return make


async def run_to_its_end(settings: RunSettings) -> OwnedEngine:
    """Runs an engine that doesn't come to be ready."""
    engine = OwnedEngine(settings)
    async with asyncio.timeout(STARTED_FOR_S):
        await engine.run(lambda served: served.id)
    assert (engine.status.value.state, engine.status.value.progress.status) == ("failed", "error")
    assert engine.endpoint is None
    assert "\n" not in engine.status.value.progress.message
    return engine


async def test_run_of_an_engine_that_can_not_start_tells_the_scripts_error(tmp_path: Path) -> None:
    """The script says in one line what is wrong, and requests are told the same."""
    settings = RunSettings.load({"engine_python": "/bin/false", "log_dir": tmp_path})
    fleet = fleet_for(settings, "You are.")
    async with asyncio.timeout(STARTED_FOR_S), running(fleet):
        failed = await fleet.until_ready()
        assert failed.progress.message == "CAPTION_ENGINE_PYTHON is /bin/false, which has no vLLM"
        with pytest.raises(EngineNotReadyError, match="which has no vLLM"):
            await fleet.endpoint(3600.0)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (stand_in_vllm.OUT_OF_MEMORY, "Out of GPU memory: close other programs"),
        (stand_in_vllm.NO_DRIVER, "The NVIDIA driver is missing or too old for this vLLM: update it"),
        (stand_in_vllm.NO_SPACE, "No space is left on the disk: make room"),
        (stand_in_vllm.SOCKET_TAKEN, "The engine's socket is taken by another program: end it"),
    ],
)
async def test_run_of_an_engine_that_fails_at_its_start_says_what_to_do(
    own: Callable[[str], RunSettings],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    output: str,
    message: str,
) -> None:
    """It is started once, because the next start would end the same way. Its output is kept and shown."""
    engine = await run_to_its_end(own(output))
    assert engine.status.value.progress.message.startswith(message)
    assert engine.status.value.starts == 1
    assert output in (tmp_path / "log/engine.log").read_text()
    assert output in caplog.text
    assert str(tmp_path / "log/engine.log") in caplog.text


async def test_run_of_a_model_that_is_not_there_says_so(
    tmp_path: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real launch finds out, before anything is loaded."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = {"model": "no/such-model", "engine_python": engine_python, "log_dir": tmp_path}
    engine = await run_to_its_end(RunSettings.load(settings))
    assert "no/such-model isn't in its cache" in engine.status.value.progress.message
    assert engine.status.value.starts == 1


async def test_run_without_room_for_its_socket_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is left waiting for an engine that isn't started."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    engine = await run_to_its_end(RunSettings.load({"log_dir": tmp_path}))
    message = "The engine can't be started: No such file or directory"
    assert engine.status.value.progress.message == message


async def test_run_of_an_engine_that_fails_its_checks_starts_it_again(
    own: Callable[[str], RunSettings],
) -> None:
    """It may be well the next time; meanwhile nobody is told that it is ready."""
    fleet = fleet_for(own("blind"), "You are.")
    async with asyncio.timeout(STARTED_FOR_S), running(fleet):
        untrusted = fleet.status
        while "Starting again: Self-check of sight failed" not in untrusted.progress.message:
            untrusted = await fleet.changed()
        assert untrusted.trusted is False
        assert untrusted.state == "starting"
        while fleet.status.starts < 2:
            assert not (await fleet.changed()).ready
    assert not servers()


async def test_run_of_an_engine_that_ends_starts_it_again(own: Callable[[str], RunSettings]) -> None:
    """Requests that may wait get the next one. Its exit code is 0, as vLLM's when its core dies."""
    settings = own("serve")
    fleet = fleet_for(settings, "You are.")
    async with asyncio.timeout(STARTED_FOR_S * 2), running(fleet):
        assert (await fleet.until_ready()).ready
        first = await fleet.endpoint()
        assert not await fleet.is_lost(first)
        (process,) = servers()
        os.kill(process, signal.SIGTERM)
        await until(lambda: not Path(f"/proc/{process}/exe").exists())
        assert await fleet.is_lost(first)
        assert not fleet.status.ready
        with pytest.raises(EngineNotReadyError, match=r"doesn.t answer|exit code"):
            await fleet.endpoint(0)
        again = await fleet.endpoint(STARTED_FOR_S)
        assert again is not first
        assert await again.client.healthy(10)
        assert fleet.status.starts == 2
    assert fleet.status.state == "failed"
    assert not servers()


async def test_run_of_an_engine_announces_it_while_it_lasts(own: Callable[[str], RunSettings]) -> None:
    """A dataset run of the same user finds it and can use it, until it is ended."""
    settings = own("serve")
    elsewhere = EngineSettings.load({"run_dir": settings.run_dir})
    fleet = fleet_for(settings, "You are.")
    async with asyncio.timeout(STARTED_FOR_S), running(fleet):
        await fleet.until_ready()
        (url,) = await find_engines(elsewhere)
        remote = fleet_for(RunSettings.load({"engine_url": url}), "You are.")
        async with running(remote):
            assert (await remote.until_ready()).ready
    assert await find_engines(elsewhere) == ()


async def test_wake_of_an_engine_that_just_fell_asleep_starts_it_anew(
    own: Callable[[str], RunSettings],
) -> None:
    """A request may come in the moment in which the engine is sent to sleep."""
    fleet = fleet_for(own("serve"), "You are.")
    (engine,) = fleet.engines
    async with asyncio.timeout(STARTED_FOR_S * 2), running(fleet):
        await fleet.until_ready()
        sleeping = asyncio.create_task(engine.sleep())
        await asyncio.sleep(0)  # it has been sent to sleep, and nobody has seen that yet
        engine.wake()
        assert await sleeping
        assert (await fleet.until_ready()).starts == 2
        assert await (await fleet.endpoint()).client.healthy(10)
    assert not servers()


async def test_wake_of_an_engine_that_can_not_start_puts_it_back_to_sleep(
    own: Callable[[str], RunSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever needs it next may try again, but not at once: a training run may have the GPU for hours."""
    fleet = fleet_for(own("serve"), "You are.")
    (engine,) = fleet.engines
    async with asyncio.timeout(STARTED_FOR_S * 2), running(fleet):
        await fleet.until_ready()
        assert await fleet.sleep()
        assert not servers()
        own(stand_in_vllm.OUT_OF_MEMORY)
        with pytest.raises(EngineNotReadyError, match="Asleep: it couldn't be started: Out of GPU memory"):
            await fleet.endpoint(STARTED_FOR_S)
        starts = fleet.status.starts
        with pytest.raises(EngineNotReadyError, match="Out of GPU memory"):
            await fleet.endpoint(STARTED_FOR_S)
        assert fleet.status.starts == starts
        own("serve")
        monkeypatch.setattr(engine, "_not_before_s", 0.0)
        await fleet.endpoint(STARTED_FOR_S)
        assert all(await asyncio.gather(fleet.sleep(), fleet.sleep()))
    assert fleet.status.state == "failed"
    assert not await fleet.sleep()
