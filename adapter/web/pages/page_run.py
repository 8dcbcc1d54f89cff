"""A dataset run inside the service: what came of it so far, for whoever looks, and its end."""

import asyncio
import contextlib
import math
import time
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Literal

from adapter.captioner.answering import Captioner
from adapter.dataset.claims import Claims
from adapter.dataset.events import EngineAway, EngineBack, Event, TextFailed, TextWritten
from adapter.dataset.order import Order
from adapter.dataset.outbox import Outbox
from adapter.dataset.pace import Pace
from adapter.dataset.planning import Job
from adapter.dataset.records import on_one_line
from adapter.dataset.run import Run
from adapter.dataset.selection import Dataset, open_datasets
from adapter.dataset.tally import Tally
from adapter.dataset.writer import Writer
from adapter.engine.leases import held
from adapter.errors import CaptionError, FileMissingError, LedgerUnavailableError
from adapter.images.sources import ImageSource
from adapter.settings import Settings
from adapter.web.pages.rates import Rates

MAX_NEWEST = 12  # captions that are shown
MAX_SHOWN = 2000  # characters of each

MAX_FAILED = 12  # images of each reason that are shown

State = Literal["running", "stopping", "pausing", "paused", "done", "stopped", "failed"]


class PageRun:
    """One run over `folder`, which begins with `open` and goes on in `work`, and once more after each pause.

    `number` names it. `before` counts the texts that it made before it was paused: for the ledger they are
    there already.
    """

    def __init__(self, number: str, folder: str, settings: Settings, *, before: int = 0) -> None:
        self.number = number
        self.before = before
        self.folder = folder
        self.state: State = "running"
        self.error = ""
        self.started = time.time()
        self._settings = settings
        self._order: Order | None = None
        self._tally = Tally()
        self._newest: deque[dict[str, str]] = deque(maxlen=MAX_NEWEST)
        self._failed: dict[str, list[dict[str, str]]] = {}
        self._rates = Rates()
        self._rested_s = 0.0  # in pauses
        self._is_away = False
        self._datasets: list[Dataset] = []
        self._held = AsyncExitStack()
        self._run: Run[Job] | None = None

    async def open(self, order: Order) -> None:
        """Opens the dataset and takes its lock. Raises InvalidRequestError, LedgerUnavailableError.

        Must not be cancelled: then the lock would be nobody's.
        """
        opening = open_datasets(order.selection)
        try:
            self._datasets = await asyncio.to_thread(opening.__enter__)
        except LedgerUnavailableError as error:
            if not isinstance(error.__cause__, BlockingIOError):
                raise
            raise LedgerUnavailableError(
                "Another run works on this folder, perhaps that of joycaption caption: wait for its end, or "
                "pause it if it is one of the page"
            ) from error
        self._held = AsyncExitStack()
        self._held.push_async_callback(asyncio.to_thread, opening.__exit__, None, None, None)
        self.before, self.error = self.made, ""
        if self._tally.ended is not None:
            self._rested_s += time.monotonic() - self._tally.ended
        self._tally, self._failed, self._run = Tally(), {}, None  # what failed is tried again
        if (limit := order.conditions.limit) is not None:
            left = max(1, limit - self.before // len(order.recipes))
            order = replace(order, conditions=replace(order.conditions, limit=left))
        self._order = order

    async def work(self, captioner: Captioner) -> None:
        """Captions what `open` has opened until all is done, or `pause` or `stop`."""
        order = self._order
        assert order is not None
        claims = Claims()
        async with self._held:
            writer = self._held.enter_context(contextlib.closing(Writer(order.texts)))
            self._held.enter_context(held(self._settings.run_dir, "a run of the page"))
            self._held.enter_context(order.counting(self._datasets, self._tally))
            self._run = Run(
                lambda model: order.planned(self._datasets, order.planner(model, claims)),
                Outbox(writer, claims, self._take),
                Pace(self._settings.max_in_flight),
                captioner=contextlib.nullcontext(captioner),
                conditions=order.conditions,
                emit=self._take,
            )
            if self.state in ("stopping", "pausing"):
                self._run.interrupt()
            try:
                await self._run.complete()
            except CaptionError as error:
                self.error = str(error)
            self._is_away = False
            self._tally.end()
        self.state = self._ending(order, self._run)  # not before the lock is given back

    def _ending(self, order: Order, run: Run[Job]) -> State:
        """Gives what became of a run."""
        if self.error or not run.interrupted:
            return "failed" if self.error else "done"
        if self.state != "pausing":
            return "stopped"
        limit = order.conditions.limit
        is_full = limit is not None and self._tally.done >= limit * len(order.recipes)
        return "done" if is_full else "paused"  # going on would exceed the limit

    def stop(self) -> None:
        """Ends the run: takes no more images, and lets those under way finish. A paused run ends at once."""
        match self.state:
            case "running":
                self._interrupt("stopping")
            case "pausing":
                self.state = "stopping"
            case "paused":
                self.state = "stopped"
            case _:
                pass  # it is ending, or over

    def pause(self) -> None:
        """Takes no more images and lets those under way finish. The dataset is free until it goes on."""
        if self.state == "running":
            self._interrupt("pausing")

    def _interrupt(self, state: Literal["stopping", "pausing"]) -> None:
        self.state = state
        if self._run is not None:
            self._run.interrupt()

    def give_up(self) -> None:
        """Gives up what is under way, too."""
        if self._run is not None:
            self._run.interrupt()

    @property
    def has_ended(self) -> bool:
        """Whether nothing of it is under way. A paused run may go on."""
        return self.state in ("paused", "done", "stopped", "failed")

    @property
    def made(self) -> int:
        """The number of texts that it has made so far, those before a pause included."""
        return self.before + self._tally.done

    def source(self, name: str) -> ImageSource:
        """Gives an image of the dataset by the name that the run gives it. Raises FileMissingError."""
        for dataset in self._datasets:
            key = dataset.key(name)
            if key is not None and dataset.has(name):
                return dataset.input.item(key).source
        raise FileMissingError("The run has no such image")

    def as_dict(self) -> dict[str, Any]:
        """Gives what came of it so far.

        Texts from before a pause count as made before, not as skipped, from the beginning on: also those that
        the run hasn't come to again.
        """
        tally = self._tally
        total, skipped, ahead = tally.total, tally.skipped, self.before
        if self._order is not None and self._order.retry_failed:
            total = None if total is None else total + self.before  # it doesn't come to them again
        else:
            skipped -= min(self.before, tally.skipped)
            to_come = self.before if total is None else max(0, total - tally.settled)
            ahead = min(max(0, self.before - tally.skipped), to_come)
        settled = tally.settled + ahead
        remaining_s = max(0, total - settled) / tally.rate if total is not None and tally.done else None
        return {
            "id": self.number,
            "folder": on_one_line(self.folder),
            "state": self.state,
            "error": self.error,
            "started": self.started,
            "is_waiting_for_engine": self._is_away,
            "total": total,
            "settled": settled,
            "remaining_s": None if remaining_s is None else round(remaining_s),
            "made_before": ahead + tally.skipped - skipped,
            "skipped": skipped,
            "counts": tally.as_dict(),
            "rates": self._rates.as_dict(self._clock() if tally.ended is None else math.inf),
            "newest": list(self._newest),
            "failed": self._failed,
        }

    def _clock(self) -> float:
        """Gives the time on the monotonic clock as if there had been no pauses."""
        return time.monotonic() - self._rested_s

    def _take(self, event: Event) -> None:
        self._tally.take(event)
        match event:
            case TextWritten(image, answer):
                self._newest.appendleft({"image": on_one_line(image), "text": answer.text[:MAX_SHOWN]})
                self._rates.take(self._clock())
            case TextFailed(failure):
                shown = self._failed.setdefault(failure.code, [])
                if len(shown) < MAX_FAILED:
                    shown.append(
                        {
                            "image": on_one_line(failure.image),
                            "message": failure.message,
                            "refused": failure.refused[:MAX_SHOWN],
                        }
                    )
            case EngineAway():
                self._is_away = True
            case EngineBack():
                self._is_away = False
            case _:
                pass
