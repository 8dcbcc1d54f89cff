"""An engine of our own: started by launch_vllm.sh, announced, watched, and started again when it is lost."""

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adapter.engine.discovery import RunningEngine, announced
from adapter.engine.endpoint import Endpoint
from adapter.engine.output import Output
from adapter.engine.process import EngineProcess, launched
from adapter.engine.progress import ProgressReader
from adapter.engine.restarts import End, Restarts
from adapter.engine.selfcheck import Probe
from adapter.engine.status import WatchedStatus
from adapter.engine.supervision import Supervision
from adapter.engine.template import PROBE_FILE
from adapter.errors import SettingsError
from adapter.settings import RunSettings

log = logging.getLogger("adapter.engine")


class OwnedEngine:
    """One vLLM server as a child of this process."""

    def __init__(self, settings: RunSettings) -> None:
        self.status = WatchedStatus()
        self._settings = settings
        self._reader = ProgressReader()
        self._supervision: Supervision | None = None

    @property
    def endpoint(self) -> Endpoint | None:
        return None if self._supervision is None else self._supervision.endpoint

    async def run(self) -> None:
        """Starts the engine, and starts it again as `Restarts` says. Returns when it is gone for good."""
        output = Output(self._settings.log_dir)
        try:
            await self._run_processes(output)
        except (OSError, SettingsError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.message
            self._reader.failed(f"The engine can't be started: {reason}")
            log.error("engine: %s", self._reader.current.message)
        finally:
            self.status.update(state="failed", progress=self._reader.current)
            output.close()

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return self._supervision is None or await self._supervision.is_lost(endpoint)

    async def _run_processes(self, output: Output) -> None:
        restarts = Restarts()
        while True:
            self.status.update(starts=self.status.value.starts + 1, progress=self._reader.current)
            end, ready_s = await self._run_process(output)
            reason = self._reader.current.message
            pause_s = restarts.pause_s(end, ready_s)
            if pause_s is None:
                return
            log.warning("engine: starts again in %s s", pause_s)
            self._reader = ProgressReader()
            self._reader.restarting(reason)
            self.status.update(
                state="restarting" if restarts.was_ready else "starting", progress=self._reader.current
            )
            await asyncio.sleep(pause_s)

    async def _run_process(self, output: Output) -> tuple[End, float | None]:
        """Runs one engine from its start to its end.

        Gives how it ended and for how many seconds it had been ready, None where it never was.
        """
        with _private_folder() as folder:
            socket = folder / "engine.sock"
            supervision = Supervision(
                f"unix:{socket}",
                lambda: Probe.load(folder / PROBE_FILE),
                self._settings,
                self.status,
                self._reader,
            )
            self._supervision = supervision
            try:
                async with launched(self._settings, socket, self._line_reader(output)) as process:
                    with announced(
                        self._settings.run_dir, RunningEngine(f"unix:{socket}", self._settings.model)
                    ):
                        end = await self._follow(process, supervision)
                    if end == "process":
                        _show_end(output)
            finally:
                supervision.endpoint = None
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
            supervision.leave(self._reader.current.message)
            return "process"
        finally:
            for task in (following, ended):
                task.cancel()
            await asyncio.gather(following, ended, return_exceptions=True)

    def _line_reader(self, output: Output) -> "_LineReader":
        return _LineReader(self._reader, self.status, output)


class _LineReader:
    """Takes the engine's output line by line: for its progress, the file that keeps it, and the log."""

    def __init__(self, reader: ProgressReader, status: WatchedStatus, output: Output) -> None:
        self._reader = reader
        self._status = status
        self._output = output

    def __call__(self, line: str) -> None:
        self._reader.read(line)
        self._status.update(progress=self._reader.current)
        self._output.add(line)
        log.info("engine: %s", line)


@contextlib.contextmanager
def _private_folder() -> Iterator[Path]:
    """Makes a folder for this user alone, mode 0700: the socket in it needs no other guard."""
    folder = Path(tempfile.mkdtemp(prefix="joycaption-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _show_end(output: Output) -> None:
    """Logs the end of the output, where the log's level has kept it out until now."""
    if not log.isEnabledFor(logging.INFO):
        for line in output.last:
            log.error("engine: %s", line)
    if output.path is not None:
        log.error("engine: its whole output is in %s", output.path)
