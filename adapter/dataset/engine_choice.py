"""The engine of a run: the one that is named, a running service's, or one of its own while it lasts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from adapter.captioner import Captioner
from adapter.config import Settings
from adapter.engine.announce import running_engines
from adapter.engine.client import EngineClient
from adapter.engine.launcher import Engine
from adapter.prompts import PromptBook

HEALTH_TIMEOUT_S = 2.0


async def choose_engine(settings: Settings) -> str | None:
    """The URL of the engine to use, None to start one.

    A running one counts when it serves the model that is asked for, or none is.
    """
    if settings.engine_url:
        return settings.engine_url
    for running in running_engines(settings.run_dir):
        if settings.model not in (None, running.model):
            continue
        client = EngineClient(running.url, HEALTH_TIMEOUT_S)
        try:
            # One that is loading answers soon; its service is alive, or it wouldn't be told of.
            if running.is_service or await client.healthy(HEALTH_TIMEOUT_S):
                return running.url
        finally:
            await client.close()
    return None


@contextlib.asynccontextmanager
async def engine_for(
    settings: Settings, book: PromptBook, notice: Callable[[str], None]
) -> AsyncIterator[tuple[Engine, Captioner]]:
    """The engine, perhaps not ready yet, and a captioner on it."""
    url = await choose_engine(settings)
    if url is None:
        notice("Starting an engine for this run")
    elif not settings.engine_url:
        notice("Using the running service's engine")
    # A run reads what its user names, and has a queue of its own.
    chosen = settings.model_copy(update={"engine_url": url, "allowed_roots": None})
    engine = Engine(chosen, book)
    captioner = Captioner(engine, chosen, patience_s=0)  # the run has its own
    running = asyncio.create_task(engine.run())
    try:
        yield engine, captioner
    finally:
        await captioner.drain(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
