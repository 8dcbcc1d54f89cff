"""Captions shards on the machines of a Ray cluster, and shows it as one run. Imports ray and pyarrow."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace

import uvloop

from adapter.caption.prompts import PromptBook
from adapter.cli.caption_options import RunOptions
from adapter.cli.captioning import interrupting, outcome
from adapter.cli.display import Display
from adapter.cli.shard_captioning import reporting, tell_result
from adapter.dataset.cluster.backlog import Backlog
from adapter.dataset.cluster.crew import Crew
from adapter.dataset.cluster.done_shards import sort_out
from adapter.dataset.cluster.ray_cluster import LOCAL, RayHands, joined
from adapter.dataset.cluster.seating import Seating, seated
from adapter.dataset.cluster.shard_worker import Assignment
from adapter.dataset.events import (
    CaptioningBegan,
    EngineAway,
    EngineBack,
    EngineProgressed,
    Event,
)
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_run import ShardTerms
from adapter.dataset.tally import Tally
from adapter.engine.discovery import find_engines
from adapter.engine.leases import held
from adapter.policy import ExitCode
from adapter.settings import RunSettings

MIN_PLACE_S = 60.0  # until a worker has its place in the cluster, whatever the patience with engines


def caption_on_cluster(
    order: ShardOrder, terms: ShardTerms, running: RunOptions, settings: RunSettings, book: PromptBook
) -> ExitCode:
    """Captions the shards of the order, shows how it goes, and gives the exit code.

    Raises InvalidRequestError where there is no such cluster, or it has too few GPUs.
    """
    display = Display(Tally())
    code = _divide(order, terms, running, settings, book=book, display=display)
    tell_result(display.tally, display, running, code)
    return code


def _divide(
    order: ShardOrder,
    terms: ShardTerms,
    running: RunOptions,
    settings: RunSettings,
    *,
    book: PromptBook,
    display: Display,
) -> ExitCode:
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
        assignment = Assignment(
            replace(order, shards=()), terms, _chosen(settings), book.system_prompt, seating.neighbours
        )
        hands = RayHands(assignment, seating, urls, list(machines))
        return runner.run(_carry_out(order, hands, seating, len(machines), running, display=display))


def _chosen(settings: RunSettings) -> dict[str, object]:
    """Gives the settings that somebody has chosen, here; the rest follows from each machine."""
    return {name: getattr(settings, name) for name in settings.model_fields_set if name != "engine_url"}


async def _carry_out(
    order: ShardOrder,
    hands: RayHands,
    seating: Seating,
    machines: int,
    running: RunOptions,
    *,
    display: Display,
) -> ExitCode:
    tally = display.tally
    with reporting(running) as report:
        backlog = Backlog(tally, report, lambda shard: order.output.below(f"{shard.stem}.parquet").shown)
        crew = Crew(
            seating.workers,
            hands.hire,
            backlog,
            hear=_Listener(tally, display, seating.workers).hear,
            notice=display.notice,
            place_s=max(running.engine_patience, MIN_PLACE_S),
        )
        run = _Divided(crew, order, list(order.shards), backlog, display)
        display.notice(f"{seating.workers} workers on {machines} machines of the Ray cluster")
        with interrupting(run.interrupt):
            async with display.shown():
                code = await outcome(run, tally, display)
                tally.end()
                return code


class _Divided:
    """The run: looks which shards are done while others do the rest."""

    def __init__(
        self, crew: Crew, order: ShardOrder, shards: Sequence[Shard], backlog: Backlog, display: Display
    ) -> None:
        self._crew = crew
        self._order = order
        self._shards = shards
        self._backlog = backlog
        self._display = display

    @property
    def interrupted(self) -> bool:
        return self._crew.interrupted

    def interrupt(self) -> None:
        self._crew.interrupt()

    async def complete(self) -> None:
        looking = asyncio.create_task(sort_out(self._order, self._shards, self._backlog, self._display.take))
        try:
            await self._crew.complete()
        finally:
            looking.cancel()
            await asyncio.wait({looking})
        if not looking.cancelled():
            looking.result()


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
