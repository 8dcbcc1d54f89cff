"""Starting, watching and ending an engine. The real one is started in `e2e`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from adapter.config import Settings
from adapter.engine.launcher import Engine
from adapter.errors import EngineNotReadyError
from adapter.prompts import PromptBook
from tests.fake_engine import FakeEngine
from tests.waiting import until


@contextlib.asynccontextmanager
async def running(engine: Engine) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until_status(engine: Engine, status: str) -> None:
    await until(lambda: engine.progress.status == status)


async def test_run_of_an_engine_that_can_not_start_tells_the_scripts_error(book: PromptBook) -> None:
    """In one line, and it isn't ready."""
    engine = Engine(Settings.load({"engine_python": "/bin/false"}), book)
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
