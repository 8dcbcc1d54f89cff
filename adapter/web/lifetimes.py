"""What lives as long as the service: each thing is built, kept and disposed of in one function.

They stand in the order in which they are built; aiohttp disposes of them in the opposite one.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from adapter.caption.gate import OnFlaw, Quality
from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.captioner.idling import Idling
from adapter.captioner.speculation import Speculation
from adapter.engine.deployment import fleet_for, list_gpus
from adapter.engine.fleet import running
from adapter.images.preparation import Preparation
from adapter.web.app_keys import (
    BOOK,
    CAPTIONER,
    FLEET,
    GPUS,
    HURRY,
    IDLING,
    METRICS,
    SETTINGS,
    SPECULATION,
    VITALS,
)
from adapter.web.vitals import Vitals

MAX_HURRIED_DRAIN_S = 5.0  # the UI's stop button counts on the service being gone after 15 s, engine and all


async def gpus(app: web.Application) -> AsyncIterator[None]:
    """Lists the GPUs, once: that takes longer than a poll of /health should."""
    app[GPUS] = await list_gpus()
    yield


async def fleet(app: web.Application) -> AsyncIterator[None]:
    """Keeps the engines going."""
    async with running(fleet_for(app[SETTINGS], app[BOOK].system_prompt, app[GPUS])) as app[FLEET]:
        yield


async def captioner(app: web.Application) -> AsyncIterator[None]:
    """Holds the captioner, with the processes that decode images for it."""
    settings = app[SETTINGS]
    fleet = app[FLEET]
    admission = Admission(lambda: settings.max_in_flight * max(1, fleet.ready_count), settings.max_queue)
    fleet.listen(admission.update)
    app[CAPTIONER] = Captioner(
        fleet,
        Preparation(settings, settings.roots),
        admission,
        engine_wait_s=settings.engine_wait_s,
        patience_s=settings.engine_timeout_s,
        quality=Quality(settings.attempts, OnFlaw(settings.on_flaw)),
    )
    app[METRICS].watch(fleet, admission)
    yield
    await app[CAPTIONER].drain(0)


async def speculation(app: web.Application) -> AsyncIterator[None]:
    """Captions ahead what clients are about to ask for."""
    settings, metrics = app[SETTINGS], app[METRICS]
    app[SPECULATION] = Speculation(
        app[CAPTIONER],
        settings.roots,
        settings.max_in_flight if settings.read_ahead else 0,
        on_hit=metrics.count_hit,
        on_miss=metrics.count_miss,
    )
    yield
    await app[SPECULATION].close()


async def idling(app: web.Application) -> AsyncIterator[None]:
    """Watches who needs the engines, and puts them to sleep when nobody does."""
    settings = app[SETTINGS]
    app[IDLING] = Idling(app[FLEET], app[CAPTIONER].admission, settings.run_dir, settings.idle_s)
    watching = asyncio.create_task(app[IDLING].watch())
    yield
    await _end(watching)


async def vitals(app: web.Application) -> AsyncIterator[None]:
    """Looks at the engines for whoever watches them."""
    app[VITALS] = Vitals(app[FLEET], app[CAPTIONER])
    looking = asyncio.create_task(app[VITALS].run())
    yield
    await _end(looking)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancels a task that ends by itself only through a bug, which is raised."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def drain(app: web.Application) -> None:
    """Lets requests under way finish, for a time. Meant for `on_shutdown`: their connections are open yet."""
    app[VITALS].end()
    await app[SPECULATION].close()
    drain_s = app[SETTINGS].drain_s
    await app[CAPTIONER].drain(min(MAX_HURRIED_DRAIN_S, drain_s) if app[HURRY].is_set() else drain_s)
