"""The engine's life: started by launch_vllm.sh or found at its URL, checked, watched, started again.

`Engine` is what the rest of the project knows of it: whether it is ready, how far it is, and its client.
"""

import asyncio
import contextlib
import logging
import shutil
import tempfile
from pathlib import Path

from adapter.config import Settings
from adapter.engine.announce import RunningEngine, announced
from adapter.engine.client import EngineClient, Load, ServedModel
from adapter.engine.output import Output
from adapter.engine.process import launched
from adapter.engine.progress import Progress, ProgressReader
from adapter.engine.restarts import End, Restarts
from adapter.engine.selfcheck import Probe, SelfCheckError, check
from adapter.engine.template import PROBE_FILE, PROBE_PROMPT
from adapter.engine.vitals import Vitals
from adapter.errors import CaptionError, EngineNotReadyError, SettingsError
from adapter.prompts import PromptBook

HEALTH_INTERVAL_S = 0.5
HEALTH_TIMEOUT_S = 5.0
WATCH_INTERVAL_S = 2.0
MOST_CHECKS = 3  # of one start that fail: a passing fault isn't the end

log = logging.getLogger("adapter.engine")


class Engine:
    """One vLLM server. `run` lives as long as the service; everything else may be read at any time.

    `ready`: it answers and has passed its self-check. `ended`: it is gone for good, or never came, and
    `progress` says why. `trusted`: what the last self-check found, None before the first. `starts` counts
    those of an engine of our own.
    """

    def __init__(self, settings: Settings, book: PromptBook) -> None:
        self._settings = settings
        self._book = book
        self._reader = ProgressReader()
        self._client: EngineClient | None = None
        self._model = ServedModel(id="")
        self._ready_since_s: float | None = None
        self._was_ready = False
        # Set while requests needn't wait: the engine is ready, or it won't be any more.
        self._settled = asyncio.Event()
        self.ready = False
        self.ended = False
        self.trusted: bool | None = None
        self.starts = 0

    @property
    def progress(self) -> Progress:
        return self._reader.current

    @property
    def client(self) -> EngineClient:
        """To ask with. Raises EngineNotReadyError while the engine isn't ready."""
        if self._client is None or not self.ready:
            raise EngineNotReadyError(f"The engine isn't ready: {self.progress.message}")
        return self._client

    async def available(self, limit_s: float) -> EngineClient:
        """As `client`; waits up to `limit_s` for an engine that was ready and may be so again."""
        if self._was_ready and not self.ready and limit_s > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._settled.wait(), limit_s)
        return self.client

    async def lost(self, client: EngineClient) -> bool:
        """Whether the engine that `client` asks is gone; to be asked when a request to it has failed.

        If so it isn't ready any more, until it is found to be well or another has been started.
        """
        if client is self._client and self.ready:
            if await client.healthy(HEALTH_TIMEOUT_S):
                return False
            if client is self._client and self.ready:
                self._leave("The engine doesn't answer")
        return True

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

        An engine of our own is started again as `Restarts` says; when that is no more, this returns.
        """
        try:
            if self._settings.engine_url:
                await self._watch(self._settings.engine_url, self._remote_probe())
            else:
                await self._run_processes()
        except (OSError, SettingsError) as error:
            reason = error.strerror if isinstance(error, OSError) else error.message
            self._leave(f"The engine can't be started: {reason}")
        finally:
            self.ready = False
            self.ended = True
            self._settled.set()
            if self._client is not None:
                await self._client.close()

    # --- An engine of our own ---------------------------------------------------------------------

    async def _run_processes(self) -> None:
        output = Output(self._settings.log_dir)
        restarts = Restarts()
        try:
            while True:
                self.starts += 1
                self._ready_since_s = None
                end = await self._run_process(output)
                ready_s = None if self._ready_since_s is None else self._now_s() - self._ready_since_s
                pause_s = restarts.pause_s(end, ready_s)
                if pause_s is None:
                    return
                reason = self.progress.message
                log.warning("engine: starts again in %s s", pause_s)
                self._reader = ProgressReader()
                self._reader.restarting(reason)
                await asyncio.sleep(pause_s)
        finally:
            output.close()

    async def _run_process(self, output: Output) -> End:
        """One engine from its start to its end, with `progress` saying why it ended."""

        def read_line(line: str) -> None:
            self._reader.read(line)
            output.add(line)
            log.info("engine: %s", line)

        # mkdtemp makes it for this user alone, mode 0700: the socket in it needs no other guard.
        folder = Path(tempfile.mkdtemp(prefix="joycaption-"))
        url = f"unix:{folder}/engine.sock"
        try:
            async with launched(self._settings, folder / "engine.sock", read_line) as process:
                watch = asyncio.create_task(self._watch(url, folder / PROBE_FILE))
                ended = asyncio.create_task(process.exit_code())
                try:
                    with announced(self._settings.run_dir, RunningEngine(url, self._settings.model)):
                        await asyncio.wait({watch, ended}, return_when=asyncio.FIRST_COMPLETED)
                    if not ended.done():
                        return watch.result()
                    self._reader.ended(ended.result())
                    self._leave(self.progress.message)
                    self._show_end(output)
                    return "process"
                finally:
                    for task in (watch, ended):
                        task.cancel()
                    await asyncio.gather(watch, ended, return_exceptions=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _show_end(self, output: Output) -> None:
        """Of the output, which may have been too little for the log until now."""
        if not log.isEnabledFor(logging.INFO):
            for line in output.last:
                log.error("engine: %s", line)
        if output.path is not None:
            log.error("engine: its whole output is in %s", output.path)

    # --- Any engine -------------------------------------------------------------------------------

    async def _watch(self, url: str, probe: Path | Probe) -> End:
        """Finds out whether the engine is ready. Returns when one of our own is lost, or fails its checks; a
        remote one may come back by itself.
        """
        if self._client is not None:
            await self._client.close()
        client = self._client = EngineClient(url, self._settings.engine_timeout_s)
        own = not self._settings.engine_url
        vitals: Vitals | None = None  # from the first time that it is ready
        failed_checks = 0
        while True:
            healthy = await client.healthy(HEALTH_TIMEOUT_S)
            if vitals is not None:
                load = await self._load(client) if healthy else None
                vitals.see(self._now_s(), healthy=healthy, load=load)
                if vitals.lost and (self.ready or own):
                    self._leave(vitals.lost)
                    if own:
                        return "lost"
            if healthy and not self.ready:
                if await self._check(client, probe):
                    vitals = Vitals(
                        self._settings.engine_silence_s, self._settings.engine_stall_s, self._now_s()
                    )
                    failed_checks = 0
                else:
                    failed_checks += 1
                    if own and failed_checks == MOST_CHECKS:
                        return "untrusted"
            await asyncio.sleep(WATCH_INTERVAL_S if self.ready else HEALTH_INTERVAL_S)

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()

    async def _load(self, client: EngineClient) -> Load | None:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                return await client.load()
        except (CaptionError, TimeoutError):
            return None

    async def _check(self, client: EngineClient, probe: Path | Probe) -> bool:
        self._reader.warming_up()
        try:
            self._model = await client.model()
            known = probe if isinstance(probe, Probe) else Probe.load(probe)
            await check(client, self.model, known)
        except (CaptionError, OSError) as error:
            message = str(error) if isinstance(error, SelfCheckError) else f"Self-check: {error}"
            if message != self.progress.message:
                log.error("engine: %s", message)
            self._reader.failed(message)
            self.trusted = False
            return False
        self.ready = self._was_ready = self.trusted = True
        self._settled.set()
        self._ready_since_s = self._now_s()
        self._reader.ready()
        log.info("engine: ready, serving %s", self.weights)
        return True

    def _leave(self, reason: str) -> None:
        """It isn't ready any more."""
        self.ready = False
        self._settled.clear()
        self._reader.failed(reason)
        log.error("engine: %s", reason)

    def _remote_probe(self) -> Probe:
        return Probe(self._book.system_prompt, PROBE_PROMPT)
