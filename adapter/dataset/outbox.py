"""From finished captions to the writer: collects them for a moment, has them written together, tells what
came of each.
"""

import asyncio
import errno
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from adapter.caption.answer import Answer
from adapter.dataset.claims import Claims
from adapter.dataset.decide import KeepEdited
from adapter.dataset.events import Emit, TextEdited, TextFailed, TextWritten
from adapter.dataset.planning import Job
from adapter.dataset.records import to_failure
from adapter.dataset.writer import Finished, Outcome, Writer, Written
from adapter.errors import CaptionError, LedgerError, NothingWritableError, WriteError

WRITE_CHUNK = 64  # texts that are written together,
WRITE_S = 0.2  # or what has come in so long
MAX_FAILURES = 32  # in a row; then nothing more will be written,
WHOLE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # if it's this, or nothing ever was


class Outbox:
    """Takes finished captions while `write` runs. Each text's claim is released when it is settled."""

    def __init__(self, writer: Writer, claims: Claims, emit: Emit) -> None:
        self._writer = writer
        self._claims = claims
        self._emit = emit
        self._finished: asyncio.Queue[Finished | None] = asyncio.Queue(WRITE_CHUNK * 4)
        self._failures: list[WriteError] = []  # in a row
        self._has_written = False

    async def put(self, work: Job, number: int, result: Answer | CaptionError) -> None:
        """Takes what came of one of the job's tasks; waits where the disk is slower than the engine."""
        await self._finished.put(Finished(work, work.tasks[number], result))

    def give_up(self, work: Job, number: int) -> None:
        """Releases the claims of the job's tasks from that number on."""
        for task in work.tasks[number:]:
            self._claims.release(work.dataset.place(task.output))

    async def end(self) -> None:
        """Takes no more: `write` returns when it has written what it has."""
        await self._finished.put(None)

    async def write(self) -> None:
        """Writes until `end` is called. Raises NothingWritableError where that has become of no use."""
        with ThreadPoolExecutor(1, "outbox") as thread:
            ended = False
            while not ended:
                batch, ended = await self._collect()
                if batch:
                    await self._write_batch(batch, thread)

    async def _collect(self) -> tuple[list[Finished], bool]:
        """Waits for the next batch, and tells whether it is the last one."""
        finished = await self._finished.get()
        batch: list[Finished] = []
        deadline = asyncio.get_running_loop().time() + WRITE_S
        while finished is not None:
            batch.append(finished)
            if len(batch) == WRITE_CHUNK:
                return batch, False
            try:
                async with asyncio.timeout_at(deadline):
                    finished = await self._finished.get()
            except TimeoutError:
                return batch, False
        return batch, True

    async def _write_batch(self, batch: Sequence[Finished], thread: ThreadPoolExecutor) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(thread, self._writer.write, batch)
        except LedgerError as failed:
            outcomes = [WriteError(failed.message, errno.EIO)] * len(batch)
        for finished, outcome in zip(batch, outcomes, strict=True):
            self._claims.release(finished.place)
            self._tell(finished, outcome)
        self._check()

    def _tell(self, finished: Finished, outcome: Outcome) -> None:
        image = finished.job.name
        if isinstance(outcome, Written):
            self._emit(TextWritten(image, outcome.answer, has_replaced=outcome.has_replaced))
            self._failures, self._has_written = [], True
        elif isinstance(outcome, KeepEdited):
            self._emit(TextEdited(image))
        else:
            self._emit(TextFailed(to_failure(image, finished.task.output, outcome)))
            if isinstance(outcome, WriteError):
                self._failures.append(outcome)

    def _check(self) -> None:
        """Raises NothingWritableError where going on would only waste captions."""
        if len(self._failures) < MAX_FAILURES:
            return
        last = self._failures[-1]
        if last.number in WHOLE_DISK or not self._has_written:
            raise NothingWritableError(f"Nothing can be written. {last.message}")
