"""An engine of our own: started by launch_vllm.sh, announced, watched, and started again when it is lost."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from adapter.engine.discovery import RunningEngine, announced
from adapter.engine.endpoint import Accept, Endpoint, Identity
from adapter.engine.installation import is_mere_progress
from adapter.engine.output import Output
from adapter.engine.process import EngineProcess, launched
from adapter.engine.progress import ProgressReader
from adapter.engine.restarts import End, Restarts
from adapter.engine.selfcheck import Probe
from adapter.engine.status import Watched, WatchedStatus
from adapter.engine.supervision import Supervision
from adapter.engine.template import PROBE_FILE
from adapter.errors import SettingsError
from adapter.settings import RunSettings

WAKE_PAUSE_S = 10.0  # after a start that came to nothing: what is in its way may take the GPU for hours

log = logging.getLogger("adapter.engine")


class OwnedEngine:
    """One vLLM server as a child of this process."""

    def __init__(
        self, settings: RunSettings, identity: Identity | None = None, threads: int | None = None
    ) -> None:
        self.identity = identity or Identity()
        self.status = WatchedStatus()
        self._settings = settings
        self._threads = threads
        self._reader = ProgressReader()
        self._supervision: Supervision | None = None
        self._awake = Watched(value=True)  # what it is to be
        self._sleeps = Watched(0)  # how often it was sent to sleep; each of them ends the process
        self._not_before_s = 0.0  # on the monotonic clock, when it may be woken again
        self._at_rest = Watched(value=False)  # whether there is no process, because it is asleep

    @property
    def endpoint(self) -> Endpoint | None:
        return None if self._supervision is None else self._supervision.endpoint

    async def run(self, accept: Accept) -> None:
        """Starts the engine, and starts it again as `Restarts` says. Returns when it is gone for good.

        While it is to be asleep there is no process. One that can't be woken goes back to sleep, for the next
        who needs it to try again: what is in its way may be a training run on its GPU.
        """
        output = Output(self._settings.log_dir)
        try:
            # One folder for all starts: a dataset run that uses this engine finds it again after each.
            with _private_folder() as folder, self._announced(folder):
                while await self._run_awake(folder, output, accept):
                    self._at_rest.set(value=True)
                    await self._awake.until(bool)
                    self._at_rest.set(value=False)
        except (OSError, SettingsError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.message
            self._reader.failed(f"The engine can't be started: {reason}")
            log.error("%s: %s", self.identity.name, self._reader.current.message)
        finally:
            self.status.update(state="failed", progress=self._reader.current, waking=False)
            self._at_rest.set(value=True)
            output.close()

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return self._supervision is None or await self._supervision.is_lost(endpoint)

    @property
    def may_sleep(self) -> bool:
        return self.status.value.state != "failed"

    async def sleep(self) -> bool:
        """Ends the process until `wake`, and returns once it is gone. Gives False for one that failed."""
        if not self.may_sleep:
            return False
        self._fall_asleep(None)
        woken, gone = (asyncio.create_task(wanted.until(bool)) for wanted in (self._awake, self._at_rest))
        try:
            await asyncio.wait({woken, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            woken.cancel()
            gone.cancel()
        return True

    def wake(self) -> None:
        """Starts the process again, where it is to be asleep; not soon after a start that came to nothing."""
        if not self._awake.value and time.monotonic() >= self._not_before_s:
            self._reader = ProgressReader()
            self.status.update(state="starting", progress=self._reader.current, waking=True)
            self._awake.set(value=True)

    def _fall_asleep(self, failure: str | None) -> None:
        self._reader.asleep(failure)
        self.status.update(state="asleep", progress=self._reader.current, waking=False)
        self._awake.set(value=False)
        self._sleeps.set(self._sleeps.value + 1)

    async def _run_awake(self, folder: Path, output: Output, accept: Accept) -> bool:
        """Runs processes until the engine is asleep, or gone for good, which gives False."""
        # By their number, for it may have been woken again before this task has seen it asleep.
        sleeps = self._sleeps.value if self._awake.value else -1
        working = asyncio.create_task(self._run_processes(folder, output, accept))
        sleeping = asyncio.create_task(self._sleeps.until(lambda number: number != sleeps))
        try:
            await asyncio.wait({working, sleeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (working, sleeping):
                task.cancel()
            await asyncio.gather(working, sleeping, return_exceptions=True)
        if not working.cancelled():
            is_needed = self._awake.value and not self.status.value.waking
            try:
                working.result()
            except (OSError, SettingsError) as error:
                if is_needed:
                    raise
                self._reader.failed(
                    error.message if isinstance(error, SettingsError) else str(error.strerror)
                )
            if is_needed:
                return False
            self._fall_asleep(self._reader.current.message)
            self._not_before_s = time.monotonic() + WAKE_PAUSE_S
        elif not self._awake.value:
            self._fall_asleep(None)  # whatever the end of the process made of it
        log.info("%s: %s", self.identity.name, self._reader.current.message)
        return True

    async def _run_processes(self, folder: Path, output: Output, accept: Accept) -> None:
        restarts = Restarts()
        while True:
            self.status.update(starts=self.status.value.starts + 1, progress=self._reader.current)
            end, ready_s = await self._run_process(folder, output, accept)
            reason = self._reader.current.message
            pause_s = restarts.pause_s(end, ready_s)
            if pause_s is None:
                self._reader.failed(reason)
                return
            log.warning("%s: starts again in %s s", self.identity.name, pause_s)
            self._reader = ProgressReader(least=self._reader.current.progress)
            self._reader.restarting(reason if restarts.was_ready else f"Starting again: {reason}")
            self.status.update(
                state="restarting" if restarts.was_ready else "starting", progress=self._reader.current
            )
            await asyncio.sleep(pause_s)

    async def _run_process(self, folder: Path, output: Output, accept: Accept) -> tuple[End, float | None]:
        """Runs one engine from its start to its end.

        Gives how it ended and for how many seconds it had been ready, None where it never was.
        """
        socket = _socket(folder)
        supervision = Supervision(
            f"unix:{socket}",
            lambda: Probe.load(folder / PROBE_FILE),
            self._settings,
            self.status,
            self._reader,
            name=self.identity.name,
            accept=accept,
        )
        self._supervision = supervision
        reading = _LineReader(self.identity.name, self._reader, self.status, output)
        try:
            async with launched(
                self._settings, socket, reading, gpus=self.identity.gpus, threads=self._threads
            ) as process:
                try:
                    end = await self._follow(process, supervision)
                finally:
                    await supervision.close()  # no request goes to an engine that is being ended
                if end == "process":
                    self._show_end(output)
        finally:
            await supervision.close()
        since_s = supervision.ready_since_s
        return end, None if since_s is None else asyncio.get_running_loop().time() - since_s

    async def _follow(self, process: EngineProcess, supervision: Supervision) -> End:
        following = asyncio.create_task(supervision.follow(comes_back=False))
        ended = asyncio.create_task(process.exit_code())
        try:
            await asyncio.wait({following, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                return following.result()
            self._reader.ended(ended.result())
            await supervision.leave(self._reader.current.message)
            return "process"
        finally:
            for task in (following, ended):
                task.cancel()
            await asyncio.gather(following, ended, return_exceptions=True)

    def _announced(self, folder: Path) -> contextlib.AbstractContextManager[None]:
        engine = RunningEngine(f"unix:{_socket(folder)}", self._settings.model)
        return announced(self._settings.run_dir, engine, self.identity.name)

    def _show_end(self, output: Output) -> None:
        """Logs the end of the output, where the log's level has kept it out until now."""
        if not log.isEnabledFor(logging.INFO):
            for line in output.last:
                log.error("%s: %s", self.identity.name, line)
        if output.path is not None:
            log.error("%s: its whole output is in %s", self.identity.name, output.path)


class _LineReader:
    """Takes the engine's output line by line: for its progress, the file that keeps it, and the log."""

    def __init__(self, name: str, reader: ProgressReader, status: WatchedStatus, output: Output) -> None:
        self._name = name
        self._reader = reader
        self._status = status
        self._output = output

    def __call__(self, line: str) -> None:
        self._reader.read(line)
        if not self._reader.is_asleep:  # the status may be that of a process started since
            self._status.update(progress=self._reader.current)
        if is_mere_progress(line):
            return
        self._output.add(line)
        log.info("%s: %s", self._name, line)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """Makes a folder for this user alone, mode 0700: the socket in it needs no other guard."""
    folder = Path(tempfile.mkdtemp(prefix="joycaption-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _socket(folder: Path) -> Path:
    return folder / "engine.sock"
