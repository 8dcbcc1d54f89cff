"""Worker processes that decode images. Whatever happens to one of them costs one image at most."""

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
from adapter.errors import (
    ImageDamagedError,
    ImageError,
    ImageTooLargeError,
    NotAnImageError,
    OutOfResourcesError,
    StoppingError,
)
from adapter.images.parcel import Parcel
from adapter.images.pixels import Kind
from adapter.images.worker import MESSAGE_BYTES
from adapter.turns import Turns

# Run by its text, so that the worker finds this package wherever the service was started from.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from adapter.images.worker import main
main(sys.argv[2:])
"""
ERRORS: dict[str, type[ImageError]] = {
    kind.__name__: kind for kind in (NotAnImageError, ImageDamagedError, ImageTooLargeError)
}
# Processes for one image, where each was killed from outside. On a busy machine one may take longer to start
# than it is allowed to live.
MAX_STARTS = 4

Result = bytes | ImageError | OutOfResourcesError

log = logging.getLogger("adapter.images")


@dataclass(frozen=True)
class DecodingLimits:
    """What decoding one image may take. For `exact` see `pixels.prepare`."""

    max_pixels: int
    memory_bytes: int
    time_s: float
    exact: bool = False


class Decoders:
    """Decodes in up to `count` workers, each started when it is first needed.

    Belongs to the event loop that runs when it is made, and must be closed.
    """

    def __init__(self, count: int, limits: DecodingLimits) -> None:
        self._limits = limits
        # None stands for a worker that isn't there yet, or no more.
        self._idle: asyncio.LifoQueue[_Worker | None] = asyncio.LifoQueue()
        for _ in range(count):
            self._idle.put_nowait(None)
        self._turns = Turns(lambda: count)
        self._working: set[asyncio.Task[Result]] = set()
        self._closed = False

    async def prepare(self, parcel: Parcel, kind: Kind, rank: int = 0) -> bytes:
        """Gives the image in `parcel` as a data URL in quotes: a JSON string that needs no more escaping.

        Closes the parcel. The lowest rank goes first. The picture is as `pixels.prepare` says. Raises
        ImageError, also where decoding exceeds the limits or ends its process, OutOfResourcesError where no
        process can be started, and StoppingError after `close`.
        """
        return await self._ask(kind, parcel, rank)

    async def inspect(self, parcel: Parcel, rank: int = 0) -> None:
        """Checks the image's header, see `pixels.open_image`. Raises what `prepare` raises."""
        await self._ask("", parcel, rank)

    async def close(self) -> None:
        """Ends all workers, whatever they are doing. Whoever waits for one gets StoppingError."""
        self._closed = True
        while not self._idle.empty():
            if (worker := self._idle.get_nowait()) is not None:
                await worker.end()
        await asyncio.sleep(0)  # a task that never began could put nothing away
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        self._idle.put_nowait(None)  # wakes one that waits, and that the next

    async def _ask(self, question: str, parcel: Parcel, rank: int) -> bytes:
        with contextlib.ExitStack() as unasked:
            unasked.enter_context(parcel)
            await self._turns.take(rank)
            unasked.callback(self._turns.give_back)
            worker = await self._idle.get()
            if self._closed:
                self._idle.put_nowait(worker)
                raise StoppingError
            unasked.pop_all()
        # The caller may lose interest; the worker goes on all the same, and takes nothing else meanwhile.
        working = asyncio.create_task(self._work(worker, f":{question}".encode(), parcel))
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        working.add_done_callback(lambda _: parcel.close())
        working.add_done_callback(lambda _: self._turns.give_back())
        try:
            result = await asyncio.shield(working)
        except asyncio.CancelledError:
            if working.cancelled():  # by `close`, and not this task by its own owner
                raise StoppingError from None
            raise
        if isinstance(result, Exception):
            raise result
        return result

    async def _work(self, worker: "_Worker | None", question: bytes, parcel: Parcel) -> Result:
        """Gives the result, or the error as a value: nobody may be there any more to catch it."""
        try:
            for _ in range(MAX_STARTS):
                worker = worker or await _Worker.start(self._limits)
                answer = await worker.ask(question, parcel, self._limits.time_s)
                if answer is not None:
                    return _result(worker, answer)
                exit_code, worker = await worker.end(), None
                log.warning("a decoding process ended with %s", exit_code)
                if exit_code != -signal.SIGKILL:
                    return ImageDamagedError("The image is damaged: its decoder crashed")
            # Somebody killed them, perhaps for want of memory, and not for this image.
            return OutOfResourcesError("The processes that decode images are being killed; try again soon")
        except TimeoutError:
            return ImageTooLargeError(f"Decoding the image takes longer than {self._limits.time_s:g} s")
        except OSError as error:
            return OutOfResourcesError.from_os(error)
        finally:
            if worker is not None and not worker.free:
                await worker.end()
                worker = None
            self._idle.put_nowait(worker)


def _result(worker: "_Worker", answer: bytes) -> Result:
    """Gives what an answer stands for; a worker that a file has taken over may say anything."""
    try:
        return worker.result(answer)
    except (ValueError, TypeError, LookupError, AttributeError):
        worker.free = False  # so that it is ended
        return ImageDamagedError("The image is damaged: its decoder answered nonsense")


class _Worker:
    """One process, our end of its socket, and the parcel of its results. While `free` it has no image."""

    def __init__(
        self, process: asyncio.subprocess.Process, connection: socket.socket, results: Parcel
    ) -> None:
        self._process = process
        self._connection = connection
        self._results = results
        self.free = True

    @classmethod
    async def start(cls, limits: DecodingLimits) -> "_Worker":
        """Starts a process. Raises OSError where the machine is short of something."""
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
                    stderr=asyncio.subprocess.DEVNULL,  # libtiff warns there by megabytes
                    pass_fds=(theirs.fileno(), results.descriptor),
                    env=worker_environment(),
                )
            unused.pop_all()
        ours.setblocking(False)
        return cls(process, ours, results)

    async def ask(self, question: bytes, parcel: Parcel, limit_s: float) -> bytes | None:
        """Gives its answer, None where it ended instead. Raises TimeoutError."""
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
        """Gives what an answer stands for. Must be called before the next question."""
        told = orjson.loads(answer)
        if "error" in told:
            return ERRORS[told["error"]](told["message"])
        return self._results.read(told.get("bytes", 0))

    async def end(self) -> int:
        """Ends the process and gives its exit code."""
        self._connection.close()
        self._results.close()
        with contextlib.suppress(ProcessLookupError):
            # Not by Popen's own `kill`, which may take the exit code away from whoever waits for it.
            os.kill(self._process.pid, signal.SIGKILL)
        return await self._process.wait()
