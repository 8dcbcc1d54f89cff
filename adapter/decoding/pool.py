"""Worker processes that images are decoded in; whatever happens to one costs one image at most."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass

import orjson

from adapter.config import PROJECT_DIR, worker_environment
from adapter.decoding.parcel import Parcel
from adapter.decoding.worker import MESSAGE_BYTES
from adapter.errors import (
    ImageDamagedError,
    ImageError,
    ImageTooLargeError,
    NotAnImageError,
    OutOfResourcesError,
)
from adapter.images import Kind

# Run by its text, so that the worker finds this package wherever the service was started from.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from adapter.decoding.worker import main
main(sys.argv[2:])
"""
ERRORS: dict[str, type[ImageError]] = {
    kind.__name__: kind for kind in (NotAnImageError, ImageDamagedError, ImageTooLargeError)
}

Result = bytes | ImageError | OutOfResourcesError

log = logging.getLogger("adapter.decoding")


@dataclass(frozen=True)
class DecodingLimits:
    """What decoding one image may take. `exact`: see `images.prepare`."""

    max_pixels: int
    memory_bytes: int
    time_s: float
    exact: bool = False


class Decoders:
    """Up to `count` workers, started when they are first needed. To be closed.

    Of the running event loop, and of no other.
    """

    def __init__(self, count: int, limits: DecodingLimits) -> None:
        self._limits = limits
        # None stands for a worker that isn't there yet, or no more.
        self._idle: asyncio.LifoQueue[_Worker | None] = asyncio.LifoQueue()
        for _ in range(count):
            self._idle.put_nowait(None)
        self._working: set[asyncio.Task[Result]] = set()

    async def prepare(self, parcel: Parcel, kind: Kind) -> bytes:
        """The image in `parcel`, closed in the end, as a data URL of that kind in quotes, see
        `images.prepare`: a JSON string, which needs no look at each of its characters any more.

        Raises ImageError, also when decoding takes more than the limits or ends its process, and
        OutOfResourcesError when no process can be had.
        """
        return await self._ask(kind, parcel)

    async def inspect(self, parcel: Parcel) -> None:
        """Raises what the image's header alone tells, see `images.open_image`, and what `prepare` does."""
        await self._ask("", parcel)

    async def close(self) -> None:
        """Ends all workers, whatever they are at."""
        while not self._idle.empty():
            if (worker := self._idle.get_nowait()) is not None:
                await worker.end()
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _ask(self, question: str, parcel: Parcel) -> bytes:
        with contextlib.ExitStack() as unasked:
            unasked.enter_context(parcel)
            worker = await self._idle.get()
            unasked.pop_all()
        # Who asks may lose interest; the worker is at it all the same, and takes nothing else meanwhile.
        working = asyncio.create_task(self._work(worker, f":{question}".encode(), parcel))
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        result = await asyncio.shield(working)
        if isinstance(result, Exception):
            raise result
        return result

    async def _work(self, worker: "_Worker | None", question: bytes, parcel: Parcel) -> Result:
        """The result, or the error: after its cancellation nobody may be there to take it."""
        with parcel:
            try:
                for _ in range(2):
                    worker = worker or await _Worker.start(self._limits)
                    answer = await worker.ask(question, parcel, self._limits.time_s)
                    if answer is not None:
                        return worker.result(answer)
                    exit_code, worker = await worker.end(), None
                    log.warning("a decoding process ended with %s", exit_code)
                    if exit_code != -signal.SIGKILL:
                        break  # else somebody killed it, perhaps not for this image
                return ImageDamagedError("The image is damaged: its decoder crashed")
            except TimeoutError:
                return ImageTooLargeError(f"Decoding the image takes longer than {self._limits.time_s:g} s")
            except OSError as error:
                return OutOfResourcesError.from_os(error)
            finally:
                if worker is not None and not worker.free:
                    await worker.end()
                    worker = None
                self._idle.put_nowait(worker)


class _Worker:
    """One process, our end of its socket, and the parcel of its results. `free`: it isn't at anything."""

    def __init__(
        self, process: asyncio.subprocess.Process, connection: socket.socket, results: Parcel
    ) -> None:
        self._process = process
        self._connection = connection
        self._results = results
        self.free = True

    @classmethod
    async def start(cls, limits: DecodingLimits) -> "_Worker":
        with contextlib.ExitStack() as unused:
            results = unused.enter_context(Parcel.of(b""))
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            unused.enter_context(ours)
            arguments = (
                *(theirs.fileno(), results.descriptor),
                *(limits.max_pixels, limits.memory_bytes, limits.time_s, int(limits.exact)),
            )
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", PROGRAM, str(PROJECT_DIR), *map(str, arguments)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), results.descriptor),
                    env=worker_environment(),
                )
            unused.pop_all()
        ours.setblocking(False)
        return cls(process, ours, results)

    async def ask(self, question: bytes, parcel: Parcel, limit_s: float) -> bytes | None:
        """Its answer, None when it ended instead. Raises TimeoutError."""
        self.free = False
        try:
            socket.send_fds(self._connection, [question], [parcel.descriptor])
            async with asyncio.timeout(limit_s):
                answer = await asyncio.get_running_loop().sock_recv(self._connection, MESSAGE_BYTES)
        except ConnectionError:
            return None
        if not answer:
            return None
        self.free = True
        return answer

    def result(self, answer: bytes) -> bytes | ImageError:
        """What an answer stands for; to be asked before the next question."""
        told = orjson.loads(answer)
        if "error" in told:
            return ERRORS[told["error"]](told["message"])
        return self._results.read(told.get("bytes", 0))

    async def end(self) -> int:
        """Its exit code."""
        self._connection.close()
        self._results.close()
        with contextlib.suppress(ProcessLookupError):
            # Not by Popen's own `kill`: that may take the exit code away from who waits for it.
            os.kill(self._process.pid, signal.SIGKILL)
        return await self._process.wait()
