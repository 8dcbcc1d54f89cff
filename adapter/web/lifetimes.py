"""What lives as long as the service: each thing is built, kept and disposed of in one function.

They stand in the order in which they are built; aiohttp disposes of them in the opposite one.
"""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.engine.fleet import fleet_for, running
from adapter.engine.process import LAUNCH_SCRIPT
from adapter.images.preparation import Preparation
from adapter.web.app_keys import BOOK, CAPTIONER, FLEET, GPU_COUNT, HURRY, METRICS, SETTINGS

LIST_GPUS_TIMEOUT_S = 10.0
MAX_HURRIED_DRAIN_S = 5.0  # the UI's stop button counts on the service being gone after 15 s, engine and all

log = logging.getLogger("adapter.web")


async def gpus(app: web.Application) -> AsyncIterator[None]:
    """Counts the GPUs, once: each count takes longer than a poll of /health should."""
    app[GPU_COUNT] = await count_gpus()
    yield


async def fleet(app: web.Application) -> AsyncIterator[None]:
    """Keeps the engine going."""
    async with running(fleet_for(app[SETTINGS], app[BOOK].system_prompt)) as app[FLEET]:
        yield


async def captioner(app: web.Application) -> AsyncIterator[None]:
    """Holds the captioner, with the processes that decode images for it."""
    settings = app[SETTINGS]
    admission = Admission(settings.max_in_flight, settings.max_queue)
    app[CAPTIONER] = Captioner(
        app[FLEET],
        Preparation(settings, settings.roots),
        admission,
        engine_wait_s=settings.engine_wait_s,
        patience_s=settings.engine_timeout_s,
    )
    app[METRICS].watch(app[FLEET], admission)
    yield
    await app[CAPTIONER].drain(0)


async def drain(app: web.Application) -> None:
    """Lets requests under way finish, for a time. Meant for `on_shutdown`: their connections are open yet."""
    drain_s = app[SETTINGS].drain_s
    await app[CAPTIONER].drain(min(MAX_HURRIED_DRAIN_S, drain_s) if app[HURRY].is_set() else drain_s)


async def count_gpus() -> int:
    """Gives the number of NVIDIA GPUs that the engine may use, as launch_vllm.sh counts them."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        str(LAUNCH_SCRIPT),
        "--list-gpus",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIST_GPUS_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        log.warning("nvidia-smi doesn't answer: no GPU is counted")
        return 0
    return len(output.splitlines())
