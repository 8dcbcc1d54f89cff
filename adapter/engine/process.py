"""Runs launch_vllm.sh in a process group that never outlives this process, and reads its output by lines."""

import asyncio
import contextlib
import logging
import os
import re
import shlex
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from adapter.config import PROJECT_DIR, engine_environment
from adapter.engine_settings import EngineSettings
from adapter.errors import SettingsError

LAUNCH_SCRIPT = PROJECT_DIR / "launch_vllm.sh"
LINE_END = re.compile(rb"[\r\n]+")
MAX_LINE_BYTES = 64 * 1024
POLL_S = 0.5

log = logging.getLogger("adapter.engine")


class EngineProcess:
    """A running launch_vllm.sh, made by `launched`. `read_line` is called with each line of its output."""

    def __init__(self, process: asyncio.subprocess.Process, read_line: Callable[[str], None]) -> None:
        self._process = process
        self._read_line = read_line
        self._reading = asyncio.create_task(self._read())

    async def exit_code(self) -> int:
        """Waits until the process has ended and all of its output is read, and gives its exit code.

        `Process.wait()` would also wait for the output to be closed, which the engine's own children may hold
        open.
        """
        while self._process.returncode is None:  # noqa: ASYNC110 - there is no event for this
            await asyncio.sleep(POLL_S)
        _signal_group(self._process.pid, signal.SIGKILL)
        await self._reading
        return self._process.returncode

    async def end(self, limit_s: float) -> None:
        """Asks the process to end, and after `limit_s` ends it."""
        _signal_group(self._process.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), limit_s)
        except TimeoutError:
            log.warning("engine: still there %s s after SIGTERM", limit_s)
        _signal_group(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def _read(self) -> None:
        assert self._process.stdout is not None
        rest = b""
        while chunk := await self._process.stdout.read(MAX_LINE_BYTES):
            *lines, rest = LINE_END.split(rest[-MAX_LINE_BYTES:] + chunk)
            for line in lines:
                self._read_line(_to_text(line))
        if rest:
            self._read_line(_to_text(rest))


@contextlib.asynccontextmanager
async def launched(
    settings: EngineSettings,
    socket: Path,
    read_line: Callable[[str], None],
    *,
    gpus: Sequence[str] | None = None,
    threads: int | None = None,
) -> AsyncIterator[EngineProcess]:
    """Runs launch_vllm.sh, with its engine on `socket`, in a process group that is gone with the context.

    It sees only `gpus`, as CUDA_VISIBLE_DEVICES names them; none of them where that is empty. On the CPU it
    computes with so many `threads`. None leaves both to the script.

    It also ends with this process, however that ends: the script holds one end of a pipe, and kills its group
    when the other end closes. Raises SettingsError where it can't be started.
    """
    watched, held = os.pipe()
    environment = engine_environment(settings.for_launch) | {
        "CAPTION_ENGINE_SOCKET": str(socket),
        "CAPTION_WATCH_FD": str(watched),
        "CAPTION_PIP_PROGRESS": "raw",
        "PYTHONUNBUFFERED": "1",
    }
    if gpus is not None:
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    if threads is not None:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        started = await asyncio.create_subprocess_exec(
            "bash",
            str(LAUNCH_SCRIPT),
            *shlex.split(settings.engine_args or ""),
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
    process = EngineProcess(started, read_line)
    try:
        yield process
    finally:
        try:
            await asyncio.shield(process.end(settings.engine_stop_s))
        finally:
            os.close(held)


def _to_text(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip()


def _signal_group(process_group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process_group, number)
