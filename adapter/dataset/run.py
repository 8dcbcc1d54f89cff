"""One run over a dataset: keeps the engine full, hands on what is finished, and stops without loss."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from adapter.captioner.answering import Captioner
from adapter.captioner.priority import Priority
from adapter.dataset.events import CaptioningBegan, Emit, Stopping
from adapter.dataset.pace import Pace
from adapter.dataset.patience import Patience
from adapter.dataset.reading_ahead import MAX_CHUNK, read_ahead
from adapter.dataset.work import Outlet, Settled, W
from adapter.errors import CaptionError, EngineUnavailableError
from adapter.policy import Fault, Retry

MAX_TRIES = 3  # at one text, while the engine is there and fails at it
SHORTAGE_S = 5.0  # until another try, where the machine had no descriptors or no memory
LAST_CHANCE_S = 10.0  # for what is under way to finish, after the first interruption
T = TypeVar("T")


@dataclass(frozen=True)
class Conditions:
    """How a run goes. `patience_s` is for an engine that is away. `limit` is the number of images, None for
    all.

    With `engine_first` the engine is waited for before any image is looked at: what it serves decides what is
    to be made. Otherwise it is asked for when the first image needs a caption.
    """

    patience_s: float = 600.0
    limit: int | None = None
    engine_first: bool = False


@dataclass(frozen=True)
class _AtWork:
    """What captions are made with."""

    captioner: Captioner
    patience: Patience
    model: str | None


class Run(Generic[W]):
    """A run over what `plan` gives for the model that the engine serves, None while that doesn't matter.

    `captioner` is entered when the first image needs it. What comes of the work goes to `outlet`, and what
    happens is told to `emit`. Up to `max_ahead` elements of the plan are taken at one time.
    """

    def __init__(
        self,
        plan: Callable[[str | None], Iterator[W | Settled]],
        outlet: Outlet[W],
        pace: Pace,
        *,
        captioner: contextlib.AbstractAsyncContextManager[Captioner],
        conditions: Conditions,
        emit: Emit,
        max_ahead: int = MAX_CHUNK,
    ) -> None:
        self._plan = plan
        self._outlet = outlet
        self._pace = pace
        self._captioner = captioner
        self._conditions = conditions
        self._emit = emit
        self._max_ahead = max_ahead
        self._stopping = asyncio.Event()
        self._jobs: set[asyncio.Task[None]] = set()

    @property
    def interrupted(self) -> bool:
        return self._stopping.is_set()

    def interrupt(self) -> None:
        """Ends the run early. Once: takes no more images, and lets those under way finish.

        Twice: gives them up.
        """
        if self.interrupted:
            for job in self._jobs:
                job.cancel()
        elif self._jobs:
            self._emit(Stopping(LAST_CHANCE_S))
        self._stopping.set()

    async def complete(self) -> None:
        """Works through all that is planned. What was finished when it ends, however it ends, is written and
        recorded.

        Raises EngineGoneError, NothingWritableError, LedgerError and InvalidRequestError where they end it
        early.
        """
        try:
            async with asyncio.TaskGroup() as group:
                writing = group.create_task(self._outlet.write())
                try:
                    await self._caption_all()
                finally:
                    if not writing.done():
                        await self._outlet.end()
                        await asyncio.wait({writing})
        except BaseExceptionGroup as errors:
            raise _first(errors) from None

    # --- Items in -------------------------------------------------------------------------------------

    async def _caption_all(self) -> None:
        async with contextlib.AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            await self._feed(stack, group)
            await self._finish_jobs()

    async def _feed(self, stack: contextlib.AsyncExitStack, group: asyncio.TaskGroup) -> None:
        """Begins a job for each item that needs one, as soon as there is room for it."""
        at_work = await self._go_to_work(stack) if self._conditions.engine_first else None
        plan = self._plan(None if at_work is None else at_work.model)
        begun = 0
        async with contextlib.aclosing(read_ahead(plan, self._stopping, self._max_ahead)) as planned:
            async for one in planned:
                if self.interrupted:
                    return
                if isinstance(one, Settled):
                    self._emit(one.event)
                    continue
                if at_work is None:
                    at_work = await self._go_to_work(stack)
                if not self._pace.has_room:
                    await self._unless_interrupted(self._pace.wait_for_room())
                if self.interrupted:
                    return
                self._begin(group.create_task(self._caption(one, at_work)))
                begun += 1
                if begun == self._conditions.limit:
                    return

    async def _go_to_work(self, stack: contextlib.AsyncExitStack) -> _AtWork:
        captioner = await stack.enter_async_context(self._captioner)
        await stack.enter_async_context(self._pace.following(captioner.fleet))
        patience = Patience(captioner.fleet, self._conditions.patience_s, self._emit)
        endpoint = await self._unless_interrupted(patience.until_ready())
        if endpoint is None:
            return _AtWork(captioner, patience, None)
        self._emit(CaptioningBegan(endpoint.weights))
        return _AtWork(captioner, patience, endpoint.weights)

    def _begin(self, job: asyncio.Task[None]) -> None:
        self._pace.begin_one()
        self._jobs.add(job)
        job.add_done_callback(self._end_job)

    def _end_job(self, job: asyncio.Task[None]) -> None:
        self._jobs.discard(job)
        self._pace.end_one()

    # --- Captions out ---------------------------------------------------------------------------------

    async def _caption(self, job: W, at_work: _AtWork) -> None:
        """Makes the job's texts, one after the other, or tells why there are none."""
        done = tries = 0
        try:
            while done < len(job.tasks):
                requests = [task.recipe.request(job.item.key, task.attempts) for task in job.tasks[done:]]
                asking = at_work.captioner.ask_each(job.item.source, requests, priority=Priority.RUN)
                try:
                    async with contextlib.aclosing(asking) as answers:
                        async for answer in answers:
                            at_work.patience.end()
                            await self._outlet.put(job, done, answer)
                            done, tries = done + 1, 0
                except EngineUnavailableError:
                    await at_work.patience.until_ready()
                except CaptionError as error:
                    tries += 1
                    if error.retry is Retry.NEVER or tries == MAX_TRIES:
                        # What is wrong with the image is so for all of its texts.
                        failed = len(job.tasks) - done if error.fault is Fault.IMAGE else 1
                        for _ in range(failed):
                            await self._outlet.put(job, done, error)
                            done += 1
                        tries = 0
                    elif error.retry is Retry.LATER:
                        await asyncio.sleep(SHORTAGE_S)
        finally:
            if done < len(job.tasks):
                self._outlet.give_up(job, done)  # for a later run

    # --- The end --------------------------------------------------------------------------------------

    async def _unless_interrupted(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Gives what `work` gives, or None where the run is interrupted first. Raises what `work` raises."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else None
        finally:
            await _end(working)
            await _end(stopping)

    async def _finish_jobs(self) -> None:
        """Waits for all jobs; after an interruption, for as long as that leaves them."""
        if self._jobs:
            await self._unless_interrupted(_all_done(self._jobs))
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=LAST_CHANCE_S)
        for job in self._jobs:
            job.cancel()


async def _all_done(tasks: set[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)


async def _end(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """Gives the error that is to be told of: a bug of ours before all others."""
    ours, bugs = errors.split(CaptionError)
    found: BaseException = bugs or ours or errors
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
