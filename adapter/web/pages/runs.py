"""All dataset runs of a service: begun, watched, stopped, and begun again after a restart."""

import asyncio
import contextlib
import json
import logging
import os
import secrets
import tempfile
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

from adapter.caption.prompts import PromptBook
from adapter.captioner.answering import Captioner
from adapter.errors import CaptionError, InvalidRequestError, StoppingError, UnroutedRequestError
from adapter.settings import Settings
from adapter.web.pages.page_run import PageRun
from adapter.web.pages.run_body import RunBody
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

    async def begin(self, fields: dict[str, Any], number: str = "") -> PageRun:
        """Begins a run. Raises InvalidRequestError, FileNotAllowedError, LedgerUnavailableError,
        StoppingError.
        """
        if self._is_closing:
            raise StoppingError
        body = validate(fields, RunBody)
        if len(self._tasks) >= MAX_RUNNING:
            raise InvalidRequestError(f"{MAX_RUNNING} runs are under way already")
        order = body.order(self._book, self._settings)
        run = PageRun(number or secrets.token_hex(8), body.folder, order, self._settings)
        await run.open()
        self._keep(run, fields)
        self._runs[run.number] = run
        task = asyncio.create_task(run.work(self._captioner))
        self._tasks[task] = run
        task.add_done_callback(self._end)
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
                fields = json.loads(path.read_bytes())
                if not isinstance(fields, dict):
                    raise TypeError("no object")
                await self.begin(fields, path.stem)
            except (OSError, ValueError, TypeError, CaptionError) as error:
                log.warning("the run %s can't go on: %s", path.stem, error)
                with contextlib.suppress(OSError):
                    path.unlink()

    async def close(self, limit_s: float) -> None:
        """Stops all runs; what is under way has `limit_s` to finish. They go on when the service is started
        again.
        """
        self._is_closing = True
        for run in self._tasks.values():
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
        if not (self._is_closing and run.state == "stopped"):
            with contextlib.suppress(OSError):
                self._path(run).unlink()
        for ended in [one for one in self._runs.values() if one.has_ended][:-MAX_ENDED]:
            del self._runs[ended.number]

    def _path(self, run: PageRun) -> Path:
        return self._folder / f"{run.number}.json"

    def _keep(self, run: PageRun, fields: dict[str, Any]) -> None:
        """Keeps what was asked for, so that it can be begun again."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._folder)
            with open(descriptor, "w") as file:
                json.dump(fields, file)
            os.replace(temporary, self._path(run))
        except OSError as error:
            log.warning("the run of %s can't be kept for a restart: %s", run.folder, error.strerror)
