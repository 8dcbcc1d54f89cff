"""Divides what is captioned among the machines of a Ray cluster, and shows it as one run. Imports ray."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from adapter.caption.prompts import PromptBook
from adapter.cli.caption_options import RunOptions
from adapter.cli.captioning import interrupting, outcome, reporting
from adapter.cli.display import Display
from adapter.dataset.cluster.backlog import Backlog
from adapter.dataset.cluster.cluster_worker import Assignment
from adapter.dataset.cluster.crew import Crew
from adapter.dataset.cluster.part import Trade
from adapter.dataset.cluster.ray_cluster import LOCAL, RayHands, joined
from adapter.dataset.cluster.seating import Seating, seated
from adapter.dataset.events import (
    CaptioningBegan,
    EngineAway,
    EngineBack,
    EngineProgressed,
    Event,
)
from adapter.dataset.tally import Tally
from adapter.engine.discovery import find_engines
from adapter.engine.leases import held
from adapter.policy import ExitCode
from adapter.settings import RunSettings

MIN_PLACE_S = 60.0  # until a worker has its place in the cluster, whatever the patience with engines


@dataclass(frozen=True)
class Division:
    """What is divided. People call it `parts`, and events a part's output as `output_of` gives it.

    `fill` puts all parts into a backlog, for so many workers, while others are at work, and completes it.
    """

    trade: Trade
    parts: str
    output_of: Callable[[Any], str]
    fill: Callable[[Backlog, int], Awaitable[None]]


def caption_on_cluster(
    division: Division, running: RunOptions, settings: RunSettings, *, book: PromptBook, display: Display
) -> ExitCode:
    """Captions all parts, shows how it goes, and gives the exit code.

    Raises InvalidRequestError where there is no such cluster, or it has too few GPUs.
    """
    with (
        joined(running.ray) as machines,
        contextlib.ExitStack() as stack,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        urls = settings.engine_urls
        if running.ray == LOCAL and not urls and (urls := runner.run(find_engines(settings))):
            stack.enter_context(held(settings.run_dir, "a dataset run"))
        seating = seated(
            list(machines.values()),
            split=settings.tensor_parallel or 1,
            has_engines=bool(urls),
            wanted=running.ray_actors,
        )
        assignment = Assignment(division.trade, _chosen(settings), book.system_prompt, seating.neighbours)
        hands = RayHands(assignment, seating, urls, list(machines))
        return runner.run(_carry_out(division, hands, seating, len(machines), running, display=display))


def _chosen(settings: RunSettings) -> dict[str, object]:
    """Gives the settings that somebody has chosen, here; the rest follows from each machine."""
    return {name: getattr(settings, name) for name in settings.model_fields_set if name != "engine_url"}


async def _carry_out(
    division: Division,
    hands: RayHands,
    seating: Seating,
    machines: int,
    running: RunOptions,
    *,
    display: Display,
) -> ExitCode:
    tally = display.tally
    with reporting(running.report) as report:
        backlog = Backlog(tally, report, division.trade.part_of, division.output_of)
        crew = Crew(
            seating.workers,
            hands.hire,
            backlog,
            parts=division.parts,
            hear=_Listener(tally, display, seating.workers).hear,
            notice=display.notice,
            place_s=max(running.engine_patience, MIN_PLACE_S),
        )
        run = _Divided(crew, lambda: division.fill(backlog, seating.workers))
        display.notice(f"{seating.workers} workers on {machines} machines of the Ray cluster")
        with interrupting(run.interrupt):
            async with display.shown():
                code = await outcome(run, tally, display)
                tally.end()
                return code


class _Divided:
    """The run: finds what there is to do while others do it."""

    def __init__(self, crew: Crew, fill: Callable[[], Awaitable[None]]) -> None:
        self._crew = crew
        self._fill = fill

    @property
    def interrupted(self) -> bool:
        return self._crew.interrupted

    def interrupt(self) -> None:
        self._crew.interrupt()

    async def complete(self) -> None:
        filling = asyncio.ensure_future(self._fill())
        try:
            await self._crew.complete()
        finally:
            filling.cancel()
            await asyncio.wait({filling})
        if not filling.cancelled():
            filling.result()


class _Listener:
    """Shows what workers tell, and counts what the backlog doesn't: the time without engines."""

    def __init__(self, tally: Tally, display: Display, workers: int) -> None:
        self._tally = tally
        self._display = display
        self._workers = workers
        self._has_begun = False

    def hear(self, worker: str, event: Event) -> None:
        """Takes an event of the worker of that name."""
        match event:
            case CaptioningBegan():
                if not self._has_begun:
                    self._tally.take(event)
                self._has_begun = True
            case EngineProgressed(message):
                self._display.notice(f"{worker}: {message}")
            case EngineAway():
                self._display.notice(f"{worker}: its engine doesn't answer, and it waits for that")
            case EngineBack(away_s):
                self._tally.take(EngineBack(away_s / self._workers))
                self._display.notice(f"{worker}: its engine is back after {away_s:.0f} s")
            case _:
                self._display.take(event)
