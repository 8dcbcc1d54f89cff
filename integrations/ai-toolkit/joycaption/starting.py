"""Gets the service going: starts it where nothing answers, and waits until it can caption."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from .job_error import JobError, ServiceAbsentError
from .outcome import Watcher
from .service import Service

LOOK_S = 0.5
RETURN_S = 120.0  # a service that was there may be started again by whoever looks after it
END_S = 5.0  # for what was started to end
SCRIPT = "start_service.sh"
LOG_NAME = "ai-toolkit-start.log"
MAX_TOLD_BYTES = 2000  # of the log of a start that failed


def state_folder(environment: Mapping[str, str]) -> Path:
    """Gives the folder in which a service of this user keeps its token and its logs."""
    if named := environment.get("CAPTION_DATA_DIR"):
        return Path(named)
    base = environment.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(base, "joycaption")


class Start:
    """The service's start by the script at `path`, or in the folder `path`."""

    def __init__(self, path: str, service: Service, environment: Mapping[str, str]) -> None:
        script = Path(path).expanduser()
        self._script = script / SCRIPT if script.is_dir() else script
        self._service = service
        self._environment = environment
        self._log = state_folder(environment) / LOG_NAME
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Starts it, detached: it outlives the job. Raises JobError."""
        if not self._service.is_local:
            raise JobError(f"{self._service.url} doesn't answer, and isn't on this machine to be started")
        if not self._script.is_file():
            raise JobError(f"start_service: there is no file {self._script}")
        place = {"CAPTION_HOST": self._service.host, "CAPTION_PORT": str(self._service.port)}
        with self._open_log() as log:
            try:
                self._process = subprocess.Popen(
                    ["bash", str(self._script)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**self._environment, **place},
                    start_new_session=True,  # a Ctrl-C for the job isn't one for the service
                )
            except OSError as error:
                raise JobError(f"start_service: bash can't be started: {error.strerror}") from error

    def give_up(self) -> None:
        """Ends what was started, so that nothing takes the GPU when the job is over.

        What the script has started in turn, perhaps pip, ends with it.
        """
        if self._process is None or self._process.poll() is not None:
            return
        if hasattr(os, "killpg"):
            os.killpg(self._process.pid, signal.SIGTERM)  # the leader of its session, not waited for yet
        else:
            self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_S)

    def check(self) -> None:
        """Raises JobError where the start has ended by itself."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise JobError(f"The service ended with exit code {code}: {self._end_of_log()}")

    def _open_log(self) -> IO[bytes]:
        try:
            self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._log.open("wb")
        except OSError:
            return open(os.devnull, "wb")

    def _end_of_log(self) -> str:
        try:
            lines = self._log.read_bytes()[-MAX_TOLD_BYTES:].decode("utf-8", "replace").split("\n")
        except OSError:
            lines = []
        told = [line.strip() for line in lines if line.strip()]
        errors = [line for line in told if "error:" in line.lower()]
        return (errors or told or [f"see {self._log}"])[-1]


def connect(service: Service, start: Start | None, watcher: Watcher) -> None:
    """Returns once the service answers, be its engine ready or not. Raises JobError."""
    watcher.tell(f"Connecting to the captioning service at {service.url}")
    if service.answers():
        return
    if start is None:
        raise JobError(
            f"No captioning service answers at {service.url}: start it, or set start_service to the path of "
            f"its {SCRIPT}"
        )
    watcher.tell("Starting the captioning service")
    start.begin()
    try:
        while not service.answers():
            start.check()
            watcher.check()
            time.sleep(LOOK_S)
    except BaseException:
        start.give_up()
        raise


def wait_until_ready(service: Service, start: Start | None, watcher: Watcher) -> None:
    """Shows how far the engine is, until it can be asked. Raises JobError where it gives up."""
    shown, gone = "", Absence(service, watcher)
    while True:
        watcher.check()
        try:
            if service.is_ready():
                return
            progress = service.progress()
            gone.end()
        except ServiceAbsentError as error:
            if start is not None:
                start.check()
            gone.go_on(error)
            continue
        if progress.get("status") == "error":
            raise JobError(f"The captioning service has no engine: {progress.get('message')}")
        if (line := progress_line(progress)) != shown:
            shown = line
            watcher.tell(line)
        time.sleep(LOOK_S)


def progress_line(progress: Mapping[str, object]) -> str:
    """Gives how far the engine is, as a line."""
    share = progress.get("progress")
    percent = f" ({share:.0%})" if isinstance(share, float | int) else ""
    return f"{progress.get('message') or progress.get('status')}{percent}"


class Absence:
    """The time for which a service that was there doesn't answer."""

    def __init__(self, service: Service, watcher: Watcher) -> None:
        self._service = service
        self._watcher = watcher
        self._began: float | None = None

    def go_on(self, error: ServiceAbsentError) -> None:
        """Waits a moment for it to come back. Raises JobError where it was away for too long."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
            self._watcher.tell(f"Waiting for the captioning service at {self._service.url} to come back")
        if now - self._began > RETURN_S:
            raise JobError(f"The captioning service was gone for {RETURN_S:.0f} s. {error}") from error
        self._watcher.check()
        time.sleep(LOOK_S)

    def end(self) -> bool:
        """Tells whether it was away, and that it is back."""
        was_away, self._began = self._began is not None, None
        return was_away
