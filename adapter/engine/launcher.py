"""The engine's life: started by launch_vllm.sh or found at its URL, checked, watched, ended.

`Engine` is what the rest of the project knows of it: whether it is ready, how far it is, and its client.
"""

import asyncio
import contextlib
import logging
import os
import re
import shlex
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from adapter.config import PROJECT_DIR, Settings
from adapter.engine.announce import RunningEngine, announced
from adapter.engine.client import EngineClient, Load, ServedModel
from adapter.engine.progress import Progress, ProgressReader
from adapter.engine.selfcheck import Probe, SelfCheckError, check
from adapter.engine.template import PROBE_FILE, PROBE_PROMPT
from adapter.engine.vitals import Vitals
from adapter.errors import CaptionError, EngineNotReadyError, SettingsError
from adapter.prompts import PromptBook

LAUNCH_SCRIPT = PROJECT_DIR / "launch_vllm.sh"
LINE_END = re.compile(rb"[\r\n]+")
LONGEST_LINE_BYTES = 64 * 1024
HEALTH_INTERVAL_S = 0.5
HEALTH_TIMEOUT_S = 5.0
WATCH_INTERVAL_S = 2.0
# Between the end of an engine that was ready and its next start; after that long a good time from anew.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
GOOD_AFTER_S = 600.0

log = logging.getLogger("adapter.engine")


class Engine:
    """One vLLM server. `run` lives as long as the service; everything else may be read at any time."""

    def __init__(self, settings: Settings, book: PromptBook) -> None:
        self._settings = settings
        self._book = book
        self._reader = ProgressReader()
        self._client: EngineClient | None = None
        self._model = ServedModel(id="")
        self._ready = False
        self._ready_since: float | None = None
        self._ended = False

    @property
    def progress(self) -> Progress:
        return self._reader.current

    @property
    def ready(self) -> bool:
        """Whether it answers and has passed its self-check."""
        return self._ready

    @property
    def ended(self) -> bool:
        """Whether it is gone for good, or never came: `progress` says why."""
        return self._ended

    async def answers(self) -> bool:
        """Whether it can be reached at this moment."""
        return self._client is not None and await self._client.healthy(HEALTH_TIMEOUT_S)

    @property
    def client(self) -> EngineClient:
        """To ask with. Raises EngineNotReadyError while the engine isn't ready."""
        if self._client is None or not self._ready:
            raise EngineNotReadyError(f"The engine isn't ready: {self.progress.message}")
        return self._client

    @property
    def model(self) -> str:
        """The name that requests to the engine give."""
        return self._model.id

    @property
    def weights(self) -> str:
        """What the served model was loaded from, or its name where the engine doesn't tell."""
        return self._model.root or self._model.id

    async def run(self) -> None:
        """Starts the engine, or waits for the one at `engine_url`, and watches it until cancelled.

        An engine that ends after it was ready is started again, after growing pauses. One that never
        became ready isn't: what kept it from that would do so again, and this returns.
        """
        try:
            if self._settings.engine_url:
                await self._watch(self._settings.engine_url, self._remote_probe())
            else:
                await self._run_processes()
        finally:
            self._ready = False
            self._ended = True
            if self._client is not None:
                await self._client.close()

    # --- An engine of our own ---------------------------------------------------------------------

    async def _run_processes(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = FIRST_PAUSE_S
        while True:
            self._ready_since = None
            await self._run_process()
            self._ready = False
            if self._ready_since is None:
                return
            if loop.time() - self._ready_since > GOOD_AFTER_S:
                pause_s = FIRST_PAUSE_S
            reason = self.progress.message
            log.warning("engine: starts again in %s s", pause_s)
            self._reader = ProgressReader()
            self._reader.restarting(reason)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def _run_process(self) -> None:
        # mkdtemp makes it for this user alone, mode 0700: the socket in it needs no other guard.
        folder = Path(tempfile.mkdtemp(prefix="joycaption-"))
        try:
            url = f"unix:{folder}/engine.sock"
            async with self._process(folder / "engine.sock") as process:
                output = asyncio.create_task(self._read_output(process))
                watch = asyncio.create_task(self._watch(url, folder / PROBE_FILE))
                ended = asyncio.create_task(_exit_code(process))
                try:
                    with announced(self._settings.run_dir, RunningEngine(url, self._settings.model)):
                        await asyncio.wait({watch, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if ended.done():
                        _signal_group(process.pid, signal.SIGKILL)  # else a child keeps the output open
                        await output
                        self._ready = False
                        self._reader.ended(ended.result())
                        log.error("engine: %s", self.progress.message)
                    else:
                        watch.result()
                finally:
                    for task in (watch, ended, output):
                        task.cancel()
                    await asyncio.gather(watch, ended, output, return_exceptions=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextlib.asynccontextmanager
    async def _process(self, socket: Path) -> AsyncIterator[asyncio.subprocess.Process]:
        """launch_vllm.sh in a process group of its own, which is gone when the context ends.

        It also ends with this process, however that ends: the script holds one end of a pipe and kills
        its group when the other end closes.
        """
        watched, held = os.pipe()
        environment = self._settings.engine_environment() | {
            "CAPTION_ENGINE_SOCKET": str(socket),
            "CAPTION_WATCH_FD": str(watched),
            "PYTHONUNBUFFERED": "1",
        }
        try:
            process = await asyncio.create_subprocess_exec(
                "bash",
                str(LAUNCH_SCRIPT),
                *shlex.split(self._settings.engine_args),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=environment,
                pass_fds=(watched,),
                start_new_session=True,
            )
        except OSError as error:
            os.close(held)
            raise SettingsError(f"launch_vllm.sh can't be started: {error.strerror}") from error
        finally:
            os.close(watched)
        try:
            yield process
        finally:
            await asyncio.shield(self._end(process))
            os.close(held)

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        _signal_group(process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), self._settings.engine_stop_s)
        except TimeoutError:
            log.warning("engine: still there %s s after SIGTERM", self._settings.engine_stop_s)
        _signal_group(process.pid, signal.SIGKILL)
        await process.wait()

    async def _read_output(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while chunk := await process.stdout.read(LONGEST_LINE_BYTES):
            *lines, rest = LINE_END.split(rest[-LONGEST_LINE_BYTES:] + chunk)
            for line in lines:
                self._read_line(line)
        if rest:
            self._read_line(rest)

    def _read_line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip()
        self._reader.read(text)
        log.info("engine: %s", text)

    # --- Any engine -------------------------------------------------------------------------------

    async def _watch(self, url: str, probe: Path | Probe) -> None:
        """Tells whether the engine is ready. Returns when one that was is lost, but for a remote one, which
        may come back by itself.
        """
        if self._client is not None:
            await self._client.close()
        self._client = EngineClient(url, self._settings.engine_timeout_s)
        clock = asyncio.get_running_loop().time
        vitals = Vitals(self._settings.engine_silence_s, self._settings.engine_stall_s, clock())
        while True:
            healthy = await self._client.healthy(HEALTH_TIMEOUT_S)
            if healthy and not self._ready:
                await self._check(probe)
                vitals = Vitals(self._settings.engine_silence_s, self._settings.engine_stall_s, clock())
            elif self._ready:
                vitals.see(clock(), healthy=healthy, load=await self._load() if healthy else None)
                if vitals.lost:
                    self._ready = False
                    self._reader.failed(vitals.lost)
                    log.error("engine: %s", vitals.lost)
                    if not self._settings.engine_url:
                        return
            await asyncio.sleep(WATCH_INTERVAL_S if self._ready else HEALTH_INTERVAL_S)

    async def _load(self) -> Load | None:
        assert self._client is not None
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                return await self._client.load()
        except (CaptionError, TimeoutError):
            return None

    async def _check(self, probe: Path | Probe) -> None:
        assert self._client is not None
        self._reader.warming_up()
        try:
            self._model = await self._client.model()
            known = probe if isinstance(probe, Probe) else Probe.load(probe)
            await check(self._client, self.model, known)
        except (CaptionError, OSError) as error:
            message = str(error) if isinstance(error, SelfCheckError) else f"Self-check: {error}"
            if message != self.progress.message:
                log.error("engine: %s", message)
            self._reader.failed(message)
            return
        self._ready = True
        self._ready_since = asyncio.get_running_loop().time()
        self._reader.ready()
        log.info("engine: ready, serving %s", self.weights)

    def _remote_probe(self) -> Probe:
        return Probe(self._book.system_prompt, PROBE_PROMPT)


async def _exit_code(process: asyncio.subprocess.Process) -> int:
    """Once the process has ended. `process.wait()` would go on until its output is closed too, and what the
    engine started may hold that open.
    """
    while process.returncode is None:  # noqa: ASYNC110 - there is no event for this
        await asyncio.sleep(HEALTH_INTERVAL_S)
    return process.returncode


def _signal_group(process_group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process_group, number)
