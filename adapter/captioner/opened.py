"""A captioner with engines of its own, or on those that are named, for as long as a run needs it."""

import contextlib
import sys
from collections.abc import AsyncIterator

from adapter.caption.gate import OnFlaw, Quality
from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.engine.deployment import fleet_for, list_gpus
from adapter.engine.fleet import running
from adapter.images.preparation import Preparation
from adapter.settings import RunSettings


@contextlib.asynccontextmanager
async def opened_captioner(settings: RunSettings, system_prompt: str) -> AsyncIterator[Captioner]:
    """Gives a captioner on the engines at the `engine_urls`, or on engines that are started for it.

    For `system_prompt` see `fleet_for`. The captioner admits everything: a run limits itself, and
    has its own patience with the engines. Raises SettingsError.
    """
    gpus = () if settings.engine_urls else await list_gpus()
    async with running(fleet_for(settings, system_prompt, gpus)) as fleet:
        captioner = Captioner(
            fleet,
            Preparation(settings, settings.roots),
            Admission(lambda: sys.maxsize, 0),
            quality=Quality(settings.attempts, OnFlaw(settings.on_flaw)),
        )
        try:
            yield captioner
        finally:
            await captioner.drain(0)
