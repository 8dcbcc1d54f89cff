"""All dataset runs of a service: begun, watched, stopped, and begun again after a restart."""

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from adapter.caption.prompts import PromptBook
from adapter.captioner.answering import Captioner
from adapter.errors import CaptionError, InvalidRequestError, StoppingError, UnroutedRequestError
from adapter.settings import Settings
from adapter.web.pages.page_run import PageRun
from adapter.web.pages.run_body import RunBody
from adapter.web.pages.whole_file import replace_file
from adapter.web.wire import validate

LOOK_S = 0.5
MAX_ENDED = 20  # runs that are remembered
MAX_RUNNING = 8
FOLDER = "runs"
MAX_FILE_BYTES = 2**20

log = logging.getLogger("adapter.web")


class Runs:
    """Runs by the service's own captioner. What runs is kept in a folder of `data_dir` until it has ended."""

    def __init__(self, captioner: Captioner, book: PromptBook, settings: Settings) -> None:
        self._captioner = captioner
        self._book = book
        self._settings = settings
        self._folder = settings.data_dir / FOLDER
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

    async def begin(self, fields: dict[str, Any], number: str = "", before: int = 0) -> PageRun:
        """Begins a run, which has made so many texts `before` if it was paused.

        Raises InvalidRequestError, FileNotAllowedError, LedgerUnavailableError, StoppingError.
        """
        if self._is_closing:
            raise StoppingError
        if len(self._tasks) >= MAX_RUNNING:
            raise InvalidRequestError(f"{MAX_RUNNING} runs are under way already")
        run = self._made(fields, number or secrets.token_hex(8), before)
        await run.open()
        self._asked[run.number] = fields
        self._keep(run)
        self._runs[run.number] = run
        task = asyncio.create_task(run.work(self._captioner))
        self._tasks[task] = run
        task.add_done_callback(self._end)
        return run

    def _made(self, fields: dict[str, Any], number: str, before: int) -> PageRun:
        """Gives a run that doesn't work yet. Raises InvalidRequestError, FileNotAllowedError."""
        body = validate(fields, RunBody)
        order = body.order(self._book, self._settings)
        return PageRun(number, body.folder, order, self._settings, before=before)

    async def go_on(self, number: str) -> PageRun:
        """Lets a paused run go on. Raises UnroutedRequestError, and what `begin` raises."""
        run = self.find(number)
        if run.state != "paused":
            return run
        return await self.begin(self._asked[number], number, run.made)

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
        """Begins again what was running when the service ended, however it did."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                if path.stat().st_size > MAX_FILE_BYTES:
                    raise ValueError("too large")
                kept = json.loads(path.read_bytes())
                fields, before = kept["fields"], int(kept["made"])
                if kept["is_paused"]:
                    self._runs[path.stem] = self._made(fields, path.stem, before)
                    self._runs[path.stem].state = "paused"
                    self._asked[path.stem] = fields
                else:
                    await self.begin(fields, path.stem, before)
            except (OSError, ValueError, TypeError, LookupError, CaptionError) as error:
                log.warning("the run %s can't go on: %s", path.stem, error)
                with contextlib.suppress(OSError):
                    path.unlink()

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
        with contextlib.suppress(OSError):
            self._path(run).unlink()

    def _path(self, run: PageRun) -> Path:
        return self._folder / f"{run.number}.json"

    def _keep(self, run: PageRun) -> None:
        """Keeps what was asked for, so that it can be begun again."""
        kept = {"fields": self._asked[run.number], "made": run.made, "is_paused": run.state == "paused"}
        try:
            replace_file(self._path(run), json.dumps(kept).encode())
        except OSError as error:
            log.warning("the run of %s can't be kept for a restart: %s", run.folder, error.strerror)
