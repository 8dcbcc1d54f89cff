"""All dataset runs of a service: begun, watched, paused, stopped, and begun again after a restart."""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any

from adapter.caption.prompts import PromptBook
from adapter.captioner.answering import Captioner
from adapter.errors import CaptionError, InvalidRequestError, StoppingError, UnroutedRequestError
from adapter.settings import Settings
from adapter.web.pages.kept_runs import KeptRun, KeptRuns
from adapter.web.pages.page_run import PageRun
from adapter.web.pages.run_body import RunBody
from adapter.web.wire import validate

LOOK_S = 0.5
MAX_ENDED = 20  # runs that are remembered
MAX_RUNNING = 8
MAX_PAUSED = 100

log = logging.getLogger("adapter.web")


class Runs:
    """Runs by the service's own captioner. What hasn't ended, or is paused, is kept in `data_dir`."""

    def __init__(self, captioner: Captioner, book: PromptBook, settings: Settings) -> None:
        self._captioner = captioner
        self._book = book
        self._settings = settings
        self._kept = KeptRuns(settings.data_dir)
        self._runs: dict[str, PageRun] = {}
        self._asked: dict[str, dict[str, Any]] = {}  # the fields of those that may go on
        self._tasks: dict[asyncio.Task[None], PageRun] = {}
        self._is_closing = False

    def __iter__(self) -> Iterator[PageRun]:
        """Gives all that are remembered, the newest first."""
        return reversed(list(self._runs.values()))

    def find(self, number: str) -> PageRun:
        """Gives the run of that number. Raises UnroutedRequestError."""
        if number not in self._runs:
            raise UnroutedRequestError("There is no such run")
        return self._runs[number]

    async def begin(self, fields: dict[str, Any]) -> PageRun:
        """Begins a run.

        Raises InvalidRequestError, FileNotAllowedError, LedgerUnavailableError, StoppingError.
        """
        run = PageRun(secrets.token_hex(8), validate(fields, RunBody).folder, self._settings)
        await _whole(self._let_work(run, fields))
        return run

    async def go_on(self, number: str) -> PageRun:
        """Lets a paused run go on. Raises UnroutedRequestError, and what `begin` raises."""
        run = self.find(number)
        if run.state == "paused":
            run.state = "running"
            await _whole(self._go_on(run))
        return run

    async def _go_on(self, run: PageRun) -> None:
        is_at_work = False
        try:
            await self._let_work(run, self._asked[run.number])
            is_at_work = True
        finally:
            if not is_at_work and run.state == "stopping":  # meanwhile
                run.state = "stopped"
                self._forget(run)
            elif not is_at_work:
                run.state = "paused"

    async def _let_work(self, run: PageRun, fields: dict[str, Any]) -> None:
        if self._is_closing:
            raise StoppingError
        if len(self._tasks) >= MAX_RUNNING:
            raise InvalidRequestError(f"{MAX_RUNNING} runs are under way already")
        await run.open(validate(fields, RunBody).order(self._book, self._settings))
        if self._is_closing:
            run.stop()
        self._runs[run.number] = run
        self._asked[run.number] = fields
        self._keep(run)
        task = asyncio.create_task(run.work(self._captioner))
        self._tasks[task] = run
        task.add_done_callback(self._end)

    def pause(self, number: str) -> PageRun:
        """Pauses a run that is under way. Raises UnroutedRequestError, InvalidRequestError."""
        run = self.find(number)
        if sum(one.state in ("pausing", "paused") for one in self._runs.values()) >= MAX_PAUSED:
            raise InvalidRequestError(f"{MAX_PAUSED} runs are paused already")
        run.pause()
        if run.state == "pausing":
            self._keep(run)  # so that it is paused even if the service is killed now
        return run

    def stop(self, number: str) -> PageRun:
        """Stops a run, be it paused. Raises UnroutedRequestError."""
        run = self.find(number)
        run.stop()
        if run.state == "stopped":
            self._forget(run)
        return run

    async def watch(self, run: PageRun) -> AsyncGenerator[dict[str, Any]]:
        """Yields how a run is, now and whenever that has changed, up to its end."""
        shown = None
        while not self._is_closing:
            state = run.as_dict()
            if state != shown:
                shown = state
                yield state
            if run.has_ended:
                return
            await asyncio.sleep(LOOK_S)

    async def resume(self) -> None:
        """Begins again what was running when the service ended, however it did.

        A run that can't go on, perhaps because its disk isn't there, is paused and says why.
        """
        for number, kept in self._kept.all():
            try:
                folder = validate(kept.fields, RunBody).folder
            except CaptionError as error:
                log.warning("the run %s can't go on: %s", number, error)
                self._kept.drop(number)
                continue
            run = PageRun(number, folder, self._settings, before=kept.made)
            run.state = "paused"
            self._runs[number], self._asked[number] = run, kept.fields
            if not kept.is_paused:
                try:
                    await self.go_on(number)
                except (CaptionError, OSError, ValueError) as error:
                    log.warning("the run %s can't go on, and is paused: %s", number, error)
                    run.error = str(error)

    async def close(self, limit_s: float) -> None:
        """Stops all runs; what is under way has `limit_s` to finish. They go on when the service is started
        again.
        """
        self._is_closing = True
        for run in self._tasks.values():
            if run.state == "running":
                run.stop()
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=limit_s)
        for run in self._tasks.values():
            run.give_up()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def _end(self, task: asyncio.Task[None]) -> None:
        run = self._tasks.pop(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log.error("the run of %s", run.folder, exc_info=bug)
            run.state, run.error = "failed", "Internal error; the service's log has the details"
        if run.state == "paused" or (self._is_closing and run.state == "stopped"):
            self._keep(run)
        else:
            self._forget(run)
        over = [one for one in self._runs.values() if one.has_ended and one.state != "paused"]
        for ended in over[:-MAX_ENDED]:
            del self._runs[ended.number]

    def _forget(self, run: PageRun) -> None:
        self._asked.pop(run.number, None)
        self._kept.drop(run.number)

    def _keep(self, run: PageRun) -> None:
        is_paused = run.state in ("pausing", "paused")
        fields = self._asked[run.number]
        self._kept.keep(run.number, KeptRun(fields=fields, made=run.made, is_paused=is_paused))


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Waits for `work`, which goes on to its end even if whoever waits for it leaves."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # perhaps nobody else looks
    await asyncio.shield(task)
