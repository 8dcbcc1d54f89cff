"""One run over images: keeps the engine full, hands on what is finished, and stops without loss."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from adapter.captioner import Captioner
from adapter.dataset.engine_wait import EngineWait
from adapter.dataset.outbox import Outbox
from adapter.dataset.pace import Pace
from adapter.dataset.plan import Job, Planner, Settled, Task, Verdict
from adapter.dataset.records import displayed
from adapter.dataset.tally import Tally
from adapter.dataset.writer import Finished
from adapter.engine.launcher import Engine
from adapter.errors import (
    CaptionError,
    EngineError,
    EngineRefusedError,
    EngineUnavailableError,
    FileMissingError,
    FileNotAllowedError,
    ImageError,
    OutOfResourcesError,
)
from adapter.sources import ImageFile

PULL_CHUNK = 500  # decisions that are taken over from the scanning thread together,
PULL_S = 0.05  # or in so long, whichever comes first
OBSERVE_S = 1.0
ATTEMPTS = 3  # at an image, while the engine is there and fails at it
SHORTAGE_S = 5.0  # until another, when the machine had no descriptors or no memory
LAST_CHANCE_S = 10.0  # what is under way may finish in so long after the first Ctrl-C
ABOUT_THE_IMAGE = (ImageError, FileMissingError, FileNotAllowedError)

Planned = Job | Settled
EngineContext = contextlib.AbstractAsyncContextManager[tuple[Engine, Captioner]]


@dataclass(frozen=True)
class Conditions:
    """How a run goes. `patience_s`: with an engine that is away. `limit`: images to caption, None for all.

    `engine_first`: before any image is looked at, rather than when the first one needs a caption.
    """

    patience_s: float = 600.0
    limit: int | None = None
    engine_first: bool = False


@dataclass(frozen=True)
class _AtWork:
    """What captions are made with, once there is an image that needs one."""

    captioner: Captioner
    wait: EngineWait


class Run:
    """A run. `start_engine` is called when the first image needs it; `notice` tells people something."""

    def __init__(
        self,
        planner: Planner,
        outbox: Outbox,
        pace: Pace,
        *,
        start_engine: Callable[[], EngineContext],
        conditions: Conditions,
        tally: Tally,
        notice: Callable[[str], None],
    ) -> None:
        self._planner = planner
        self._outbox = outbox
        self._pace = pace
        self._start_engine = start_engine
        self._conditions = conditions
        self._tally = tally
        self._notice = notice
        self._stopping = asyncio.Event()
        self._broken: BaseException | None = None
        self._jobs: set[asyncio.Task[None]] = set()
        self.interrupted = False

    def interrupt(self) -> None:
        """Once: takes no more images, and lets those under way finish. Twice: gives them up."""
        if self.interrupted:
            for job in self._jobs:
                job.cancel()
        elif self._jobs:
            self._notice(f"Stopping: what is under way has {LAST_CHANCE_S:.0f} s to finish")
        self.interrupted = True
        self._stopping.set()

    async def over(self, images: Iterator[Planned]) -> None:
        """Works through what the planner says of all images.

        Raises EngineGoneError, NothingWritableError and LedgerError when they end it early; what was written
        by then is recorded.
        """
        async with self._outbox.writing(self._break), contextlib.AsyncExitStack() as stack:
            try:
                await self._feed(images, stack)
                await self._finish_jobs()
            finally:
                await self._cancel_jobs()
        if self._broken is not None:
            raise self._broken

    # --- Images in ------------------------------------------------------------------------------------

    async def _feed(self, images: Iterator[Planned], stack: contextlib.AsyncExitStack) -> None:
        # What was made with other settings can be told only when it's known what the engine serves.
        at_work = await self._go_to_work(stack) if self._conditions.engine_first else None
        jobs = 0
        async with contextlib.aclosing(self._pull(images)) as decisions:
            async for planned in decisions:
                if isinstance(planned, Settled):
                    await self._settle(planned)
                    continue
                if at_work is None:
                    at_work = await self._go_to_work(stack)
                if not self._pace.has_room:
                    await self._unless_stopping(self._pace.wait_for_room())
                if self._stopping.is_set():
                    return
                self._begin_job(self._caption(planned, at_work))
                jobs += 1
                if jobs == self._conditions.limit:
                    return

    async def _go_to_work(self, stack: contextlib.AsyncExitStack) -> _AtWork:
        engine, captioner = await stack.enter_async_context(self._start_engine())
        wait = EngineWait(engine, self._conditions.patience_s, self._notice)
        observing = asyncio.create_task(self._observe(engine))
        stack.push_async_callback(_end, observing)
        await self._unless_stopping(wait.until_ready())
        self._planner.model = engine.weights
        self._tally.begin()
        return _AtWork(captioner, wait)

    async def _pull(self, images: Iterator[Planned]) -> AsyncGenerator[Planned]:
        """The planner's decisions, taken in a thread of their own: they read folders and files."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "scan") as scanning:
            ahead = loop.run_in_executor(scanning, _take, images)
            try:
                while not self._stopping.is_set() and (taken := await ahead):
                    ahead = loop.run_in_executor(scanning, _take, images)
                    for planned in taken:
                        yield planned
            finally:
                ahead.cancel()

    async def _settle(self, settled: Settled) -> None:
        tally, failure = self._tally, settled.failure
        if settled.verdict is Verdict.SKIPPED:
            tally.skipped += 1
        elif settled.verdict is Verdict.EDITED:
            tally.edited += 1
        elif failure is not None:
            tally.fail(displayed(failure.image), failure.message, failure.code)
            await asyncio.to_thread(settled.ledger.record, (), [failure])

    def _begin_job(self, work: Coroutine[Any, Any, None]) -> None:
        job = asyncio.create_task(work)
        self._pace.begin_one()
        self._jobs.add(job)
        job.add_done_callback(self._end_job)

    def _end_job(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._pace.end_one()
        if not job.cancelled() and (error := job.exception()) is not None:
            self._break(error)

    # --- Captions -------------------------------------------------------------------------------------

    async def _caption(self, job: Job, at_work: _AtWork) -> None:
        remaining = list(job.tasks)
        attempts = 0
        try:
            while remaining:
                try:
                    await self._caption_some(job, remaining, at_work)
                except EngineUnavailableError:
                    await at_work.wait.until_ready()
                except ABOUT_THE_IMAGE as error:
                    while remaining:
                        await self._outbox.put(Finished(job, remaining.pop(0), error))
                except CaptionError as error:
                    attempts += 1
                    if attempts == ATTEMPTS or not _may_be_mended(error):
                        await self._outbox.put(Finished(job, remaining.pop(0), error))
                        attempts = 0
                    elif isinstance(error, OutOfResourcesError):
                        await asyncio.sleep(SHORTAGE_S)
        finally:
            for task in remaining:  # given up, for a later run
                self._planner.claims.pop(task.output, None)

    async def _caption_some(self, job: Job, remaining: list[Task], at_work: _AtWork) -> None:
        image = ImageFile(job.image.path)
        requests = [task.recipe.request(image, job.image.relative) for task in remaining]
        async with contextlib.aclosing(at_work.captioner.captions(requests)) as captions:
            async for timed in captions:
                self._tally.resting_s += at_work.wait.here()
                await self._outbox.put(Finished(job, remaining.pop(0), timed))

    async def _observe(self, engine: Engine) -> None:
        """Lets the pace follow the engine."""
        while True:
            await asyncio.sleep(OBSERVE_S)
            with contextlib.suppress(CaptionError):  # without an answer it stays as it is
                load = await engine.client.load()
                self._pace.observe(load.running, load.waiting)

    async def _unless_stopping(self, work: Coroutine[Any, Any, None]) -> None:
        """Until `work` is done, or the run is to stop."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            await _end(working)
            await _end(stopping)

    async def _finish_jobs(self) -> None:
        """All of them, or what can in the time that an interruption leaves."""
        if self._jobs:
            await self._unless_stopping(_wait(self._jobs))
        if self._jobs and self.interrupted and self._broken is None:
            await asyncio.wait(self._jobs, timeout=LAST_CHANCE_S)

    async def _cancel_jobs(self) -> None:
        for job in list(self._jobs):
            await _end(job)

    def _break(self, error: BaseException) -> None:
        """Ends the run for that reason."""
        self._broken = self._broken or error
        self._stopping.set()


def _may_be_mended(error: CaptionError) -> bool:
    """Whether another try may have an answer: this one broke off, or never came, or the machine was short."""
    return isinstance(error, EngineError | OutOfResourcesError) and not isinstance(error, EngineRefusedError)


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _wait(tasks: set[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


def _take(images: Iterable[Planned]) -> list[Planned]:
    """The next decisions, none at the end."""
    taken: list[Planned] = []
    deadline = time.monotonic() + PULL_S
    for planned in images:
        taken.append(planned)
        if len(taken) >= PULL_CHUNK or time.monotonic() > deadline:
            break
    return taken
