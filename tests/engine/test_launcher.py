"""Starting, watching and ending an engine. The real one is started in `e2e`."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from adapter.config import PROJECT_DIR, Settings
from adapter.engine.launcher import Engine
from adapter.errors import EngineNotReadyError
from adapter.prompts import PromptBook
from tests import stand_in_vllm
from tests.fake_engine import FakeEngine
from tests.processes import descendants
from tests.waiting import until


@contextlib.asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_status(engine: Engine, status: str) -> None:
    await until(lambda: engine.progress.status == status)


async def test_run_of_an_engine_that_can_not_start_tells_the_scripts_error(
    book: PromptBook, tmp_path: Path
) -> None:
    """In one line, and it isn't ready."""
    engine = Engine(Settings.load({"engine_python": "/bin/false", "log_dir": tmp_path}), book)
    async with running(engine):
        await until_status(engine, "error")
        assert engine.progress.message == "CAPTION_ENGINE_PYTHON is /bin/false, which has no vLLM"
        assert not engine.ready
        with pytest.raises(EngineNotReadyError, match="which has no vLLM"):
            _ = engine.client


async def test_run_waits_for_a_remote_engine(book: PromptBook) -> None:
    """However long it takes to become healthy."""
    fake = FakeEngine(healthy=False)
    server = await fake.start()
    engine = Engine(Settings(engine_url=str(server.make_url(""))), book)
    async with running(engine):
        await asyncio.sleep(0)
        assert not engine.ready
        fake.healthy = True
        await until_status(engine, "ready")
        assert engine.ready
        assert engine.model == "fake"
    assert not engine.ready
    await server.close()


async def test_run_checks_again_after_a_failed_check(book: PromptBook) -> None:
    """A passing fault isn't the end."""
    fake = FakeEngine(tokens=[1, 2, 3])
    server = await fake.start()
    engine = Engine(Settings(engine_url=str(server.make_url(""))), book)
    async with running(engine):
        await until_status(engine, "error")
        assert "no image tokens" in engine.progress.message
        fake.tokens = [1, 7, 7, 2]
        await until_status(engine, "ready")
    await server.close()


@pytest.fixture
def own(tmp_path: Path, book: PromptBook, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Engine]:
    """Makes an engine of our own that launch_vllm.sh starts with the stand-in for vLLM."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{PROJECT_DIR}/tests/stand_in_vllm.py" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT_DIR))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def make(behaviour: str) -> Engine:
        monkeypatch.setenv("STAND_IN", behaviour)
        folders = {"log_dir": tmp_path / "log", "run_dir": tmp_path / "run"}
        return Engine(Settings.load({"engine_python": python, **folders}), book)

    return make


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
    own: Callable[[str], Engine],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    output: str,
    message: str,
) -> None:
    """In one line; once, because the next start would end the same way. Its output is kept and shown."""
    engine = own(output)
    async with asyncio.timeout(60):
        await engine.run()
    assert engine.progress.status == "error"
    assert engine.progress.message.startswith(message)
    assert "\n" not in engine.progress.message
    assert (engine.starts, engine.ended, engine.ready) == (1, True, False)
    assert output in (tmp_path / "log/engine.log").read_text()
    assert output in caplog.text
    assert str(tmp_path / "log/engine.log") in caplog.text


async def test_run_of_a_model_that_is_not_there_says_so(
    book: PromptBook, tmp_path: Path, engine_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real launch, up to where it ends."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    settings = {"model": "no/such-model", "engine_python": engine_python, "log_dir": tmp_path}
    engine = Engine(Settings.load(settings), book)
    async with asyncio.timeout(120):
        await engine.run()
    assert "no/such-model isn't in its cache" in engine.progress.message
    assert engine.starts == 1


async def test_run_without_room_for_its_socket_says_so(
    book: PromptBook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than wait for an engine that nobody starts."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    engine = Engine(Settings.load({"log_dir": tmp_path}), book)
    await engine.run()
    assert engine.progress.message == "The engine can't be started: No such file or directory"
    assert engine.ended


async def test_run_of_an_engine_that_fails_its_checks_starts_it_again(own: Callable[[str], Engine]) -> None:
    """It might be well the next time; meanwhile nobody is told that it is ready."""
    engine = own("blind")
    async with running(engine):
        await until(lambda: "Starting again: Self-check of sight failed" in engine.progress.message)
        assert engine.trusted is False
        await until(lambda: engine.starts == 2)
        assert not engine.ready


async def test_an_engine_that_ends_is_started_again_and_available_waits_for_it(
    own: Callable[[str], Engine],
) -> None:
    """With exit code 0, as vLLM's when its core dies."""
    engine = own("serve")
    async with running(engine):
        await until(lambda: engine.ready)
        client = engine.client
        assert not await engine.lost(client)
        (process,) = [
            pid for pid, command in descendants().items() if b"stand_in" in command and b"--uds" in command
        ]
        os.kill(process, signal.SIGTERM)
        await until(lambda: not Path(f"/proc/{process}/exe").exists())
        assert await engine.lost(client)
        assert not engine.ready
        with pytest.raises(EngineNotReadyError, match=r"doesn.t answer|exit code"):
            await engine.available(0)
        again = await engine.available(60)
        assert again is not client
        assert await again.healthy(10)
        assert engine.starts == 2
