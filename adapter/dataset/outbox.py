"""From captions to the writer: collected for a moment, written together, counted when they are safe."""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from adapter.dataset.ledger import LedgerError
from adapter.dataset.records import displayed
from adapter.dataset.sidecar import WriteError
from adapter.dataset.tally import Tally
from adapter.dataset.writer import EditedError, Finished, Writer
from adapter.errors import CaptionError

WRITE_CHUNK = 64  # texts that are written together,
WRITE_S = 0.2  # or what has come in so long
MOST_FAILURES = 32  # in a row; then nothing more will be written,
WHOLE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # if it's this, or nothing ever was


class NothingWritableError(CaptionError):
    """No text can be written any more."""


class Outbox:
    """Takes finished captions. `claims` are the outputs being made, which each leaves when it is settled."""

    def __init__(self, writer: Writer, claims: MutableMapping[str, str], tally: Tally) -> None:
        self._writer = writer
        self._claims = claims
        self._tally = tally
        self._finished: asyncio.Queue[Finished | None] = asyncio.Queue(WRITE_CHUNK * 4)
        self._failures = 0
        self._thread = ThreadPoolExecutor(1, "outbox")
        self._broken: Callable[[CaptionError], None] = lambda error: None

    @contextlib.asynccontextmanager
    async def writing(self, broken: Callable[[CaptionError], None]) -> AsyncIterator[None]:
        """Writes while the context lasts, and all that was put in by its end; calls `broken` when that is
        of no use any more.
        """
        self._broken = broken
        writing = asyncio.create_task(self._write())
        try:
            yield
        finally:
            await self._finished.put(None)
            await writing
            self._thread.shutdown()

    async def put(self, finished: Finished) -> None:
        """Waits when the disk is slower than the engine."""
        await self._finished.put(finished)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        finished = await self._finished.get()
        while finished is not None:
            batch = [finished]
            deadline = loop.time() + WRITE_S
            while len(batch) < WRITE_CHUNK:
                try:
                    async with asyncio.timeout_at(deadline):
                        finished = await self._finished.get()
                except TimeoutError:
                    break
                if finished is None:
                    break
                batch.append(finished)
            await self._write_batch(batch)
            if finished is not None:
                finished = await self._finished.get()

    async def _write_batch(self, batch: Sequence[Finished]) -> None:
        errors: Sequence[CaptionError | None]
        try:
            errors = await asyncio.get_running_loop().run_in_executor(self._thread, self._writer.write, batch)
        except LedgerError as failed:
            errors = [WriteError(failed.message, errno.EIO)] * len(batch)
        for finished, error in zip(batch, errors, strict=True):
            self._claims.pop(finished.task.output, None)
            self._count(finished, error)

    def _count(self, finished: Finished, error: CaptionError | None) -> None:
        if error is None and not isinstance(finished.result, CaptionError):
            self._tally.succeed(finished.result.caption)
            self._failures = 0
        elif isinstance(error, EditedError):
            self._tally.edited += 1
        elif error is not None:
            self._tally.fail(displayed(finished.job.key), displayed(error.message), error.code)
            if isinstance(error, WriteError):
                self._failures += 1
                if self._failures >= MOST_FAILURES and (error.number in WHOLE_DISK or not self._tally.done):
                    self._broken(NothingWritableError(f"Nothing can be written. {error.message}"))
