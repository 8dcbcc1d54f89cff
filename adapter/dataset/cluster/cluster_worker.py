"""A worker: one bounded run on one machine, with its own engine, over parts that come one by one.

It is an actor's class, and doesn't know of Ray: `exchange` is called over and over, and `stop` at any time.
The run is the one of a single machine. It asks for the next part when it has read the last one, whose
captions are still under way then, so that the engine has work across the parts' boundaries.
"""

import asyncio
import contextlib
import os
import socket
from dataclasses import dataclass
from typing import Any

from adapter.captioner.opened import opened_captioner
from adapter.dataset.cluster.feed import Feed
from adapter.dataset.cluster.news import Bulletin, Ended, News
from adapter.dataset.cluster.part import Part, Trade
from adapter.dataset.run import Run
from adapter.errors import CaptionError
from adapter.settings import RunSettings

NEWS_S = 1.0


@dataclass(frozen=True)
class Assignment:
    """What all workers are told: how the parts are captioned, and the settings that somebody has chosen.

    What nobody chose follows from the worker's own machine. `neighbours` is the number of workers on it.
    """

    trade: Trade
    chosen: dict[str, Any]
    system_prompt: str
    neighbours: int = 1


class ClusterWorker:
    """Works through the parts that it is given."""

    def __init__(self, assignment: Assignment, engine_urls: tuple[str, ...] = ()) -> None:
        self._assignment = assignment
        self._engine_urls = engine_urls
        self._bulletin: Bulletin | None = None
        self._feed: Feed | None = None
        self._run: Run[Any] | None = None
        self._opened = contextlib.ExitStack()  # what the run needs until its end
        self._working: asyncio.Task[None] | None = None

    async def exchange(self, part: Part | None, *, closing: bool = False) -> News:
        """Takes a part, or None, and gives what has happened, after NEWS_S seconds at the latest.

        When it is `closing` no more parts will come. Raises what can only be a bug.
        """
        if self._feed is None or self._bulletin is None:
            self._bulletin = Bulletin(socket.gethostname(), self._assignment.trade.part_of)
            self._feed = Feed(self._bulletin.ask)
            try:
                self._run = self._open_run(self._feed, self._bulletin)
                self._working = asyncio.create_task(self._work(self._run, self._bulletin))
            except CaptionError as error:  # this machine doesn't fit the settings
                self._bulletin.end(Ended(error))
        if part is not None:
            self._bulletin.begin(part)
            self._feed.give(part)
        if closing:
            self._feed.close()
        news = await self._bulletin.news(NEWS_S)
        if self._working is not None and self._working.done():
            self._working.result()
        return news

    async def stop(self) -> None:
        """Ends the run early: once in order, twice at once."""
        if self._run is not None and self._feed is not None:
            self._run.interrupt()
            self._feed.close()

    async def _work(self, run: Run[Any], bulletin: Bulletin) -> None:
        ended = Ended(None)
        try:
            with self._opened:
                await run.complete()
        except CaptionError as error:
            ended = Ended(error)
        finally:
            bulletin.end(ended)

    def _open_run(self, feed: Feed, bulletin: Bulletin) -> Run[Any]:
        settings = self._settings()
        captioner = opened_captioner(settings, self._assignment.system_prompt)
        opened = self._assignment.trade.opened_run(settings, captioner, bulletin.take, feed)
        return self._opened.enter_context(opened)

    def _settings(self) -> RunSettings:
        cores = len(os.sched_getaffinity(0))
        share = {"prepare_workers": max(1, cores // self._assignment.neighbours)}
        urls = {"engine_url": ",".join(self._engine_urls)} if self._engine_urls else {}
        return RunSettings.load(share | self._assignment.chosen | urls)
