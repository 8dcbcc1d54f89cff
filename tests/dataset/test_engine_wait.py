"""Waiting for an engine."""

import asyncio

import pytest

from adapter.config import Settings
from adapter.dataset import engine_wait
from adapter.dataset.engine_wait import EngineGoneError, EngineWait
from adapter.engine.launcher import Engine
from adapter.prompts import PromptBook
from tests.fake_engine import FakeEngine


async def test_an_engine_that_can_not_start_ends_the_wait_at_once(book: PromptBook) -> None:
    """With its reason."""
    told: list[str] = []
    engine = Engine(Settings.load({"engine_python": "/bin/false"}), book)
    running = asyncio.create_task(engine.run())
    with pytest.raises(EngineGoneError, match="which has no vLLM"):
        await EngineWait(engine, 600, told.append).until_ready()
    assert any("which has no vLLM" in line for line in told)
    await running


async def test_patience_has_an_end(book: PromptBook) -> None:
    """With an engine that makes no progress."""
    engine = Engine(Settings.load({"engine_url": "http://127.0.0.1:1"}), book)
    running = asyncio.create_task(engine.run())
    with pytest.raises(EngineGoneError, match="goes on where this run was"):
        await EngineWait(engine, engine_wait.POLL_S, lambda text: None).until_ready()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_time_that_it_was_away_is_told_once(book: PromptBook) -> None:
    """By the first answer after it; until the first answer of all, it was on its way."""
    fake = FakeEngine()
    server = await fake.start()
    engine = Engine(Settings(engine_url=str(server.make_url(""))), book)
    running = asyncio.create_task(engine.run())
    wait = EngineWait(engine, 600, lambda text: None)
    await wait.until_ready()
    assert wait.here() == 0.0
    await wait.until_ready()  # somebody got no answer
    assert wait.here() >= engine_wait.POLL_S
    assert wait.here() == 0.0
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await server.close()
