"""Finished captions onto the disk: many at a time, each whole or not at all, and none without its record.

The order makes that hold through a kill at any moment: the new texts go into temporary files, then what is
known of them into the ledger, then the files into their places. The run after one that ended in between finds
a record whose text isn't there, and makes it again.
"""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from adapter.captioner import TimedCaption
from adapter.dataset import sidecar
from adapter.dataset.ledger import Ledger, LedgerError
from adapter.dataset.plan import Job, Policy, Task
from adapter.dataset.records import WRITTEN, Entry, Failure, to_failure
from adapter.dataset.sidecar import WriteError
from adapter.errors import CaptionError, EngineError

SYNC_THREADS = 8  # a disk takes several files at a time faster than one after the other


class EmptyCaptionError(EngineError):
    """The model wrote nothing."""

    def __init__(self) -> None:
        super().__init__("The model wrote nothing")


class EditedError(CaptionError):
    """Somebody changed the text while the caption was being made; it stays as it is."""

    def __init__(self) -> None:
        super().__init__("The text was changed meanwhile")


@dataclass(frozen=True)
class Finished:
    """A caption to be written, or the error that came instead."""

    job: Job
    task: Task
    result: TimedCaption | CaptionError


@dataclass(frozen=True)
class _Written:
    """A text on its way: `temporary` is where it is until it is put in its place."""

    finished: Finished
    entry: Entry
    temporary: str | None


class Writer:
    """Writes finished captions. `model` is asked for the served one's name once there are captions."""

    def __init__(self, policy: Policy, model: Callable[[], str]) -> None:
        self._policy = policy
        self._model = model
        self._threads = ThreadPoolExecutor(SYNC_THREADS, "write")

    def close(self) -> None:
        self._threads.shutdown()

    def write(self, batch: Sequence[Finished]) -> list[CaptionError | None]:
        """Writes them all; for each its error, or None. Errors are in the ledger when it returns, too.

        Raises LedgerError when the ledger can't be written: then none of the texts is.
        """
        outcomes = list(self._threads.map(self._begin, batch))
        written = [outcome for outcome in outcomes if isinstance(outcome, _Written)]
        try:
            self._record(batch, outcomes)
        except LedgerError:
            for one in written:
                if one.temporary is not None:
                    sidecar.discard(one.temporary)
            raise
        late = [_put_in_place(outcome) if isinstance(outcome, _Written) else None for outcome in outcomes]
        if any(late):
            self._record(batch, late)
        folders = {os.path.dirname(one.finished.task.output) for one in written if one.temporary}
        list(self._threads.map(sidecar.sync_folder, folders))
        return [
            error if isinstance(outcome, _Written) else outcome
            for outcome, error in zip(outcomes, late, strict=True)
        ]

    def _begin(self, finished: Finished) -> _Written | CaptionError:
        if isinstance(finished.result, CaptionError):
            return finished.result
        task, caption = finished.task, finished.result.caption
        text = task.recipe.text(caption.text)
        if not text:
            return EmptyCaptionError()
        try:
            content, temporary, seen = text.encode(), None, None
            if self._policy.sidecars:
                existing = sidecar.read(task.output)
                seen = None if existing is None else sidecar.content_hash(existing)
                if seen != task.seen_hash and not self._policy.overwrite_edited:
                    return EditedError()
                content = sidecar.combine(existing, text, self._policy.existing, task.recipe.trigger)
                temporary = sidecar.write_temporary(task.output, content)
        except WriteError as error:
            return error
        job = finished.job
        size, mtime_ns = _size_and_time(job.image.path)
        entry = Entry(
            output=_output_key(job, task),
            image=job.key,
            style=task.recipe.style,
            state=WRITTEN,
            size=size,
            mtime_ns=mtime_ns,
            details=task.recipe.details(job.image.relative, self._model()),
            hash=sidecar.content_hash(content),
            previous_hash=seen,
            text=None if self._policy.sidecars else text,
            prompt_tokens=caption.prompt_tokens,
            completion_tokens=caption.completion_tokens,
            seconds=round(finished.result.seconds, 3),
            finish_reason=caption.finish_reason,
            at=time.time(),
        )
        return _Written(finished, entry, temporary)

    def _record(self, batch: Sequence[Finished], outcomes: Sequence[_Written | CaptionError | None]) -> None:
        by_ledger: dict[int, tuple[Ledger, list[Entry], list[Failure]]] = {}
        for finished, outcome in zip(batch, outcomes, strict=True):
            ledger = finished.job.ledger
            _, entries, failures = by_ledger.setdefault(id(ledger), (ledger, [], []))
            if isinstance(outcome, _Written):
                entries.append(outcome.entry)
            elif outcome is not None and not isinstance(outcome, EditedError):
                failures.append(
                    to_failure(finished.job.key, _output_key(finished.job, finished.task), outcome)
                )
        for ledger, entries, failures in by_ledger.values():
            ledger.record(entries, failures)


def _size_and_time(path: str) -> tuple[int | None, int | None]:
    """Those of the image's file, in bytes and nanoseconds; None when it is gone by now."""
    try:
        status = os.stat(path)
    except OSError:
        return None, None
    return status.st_size, status.st_mtime_ns


def _put_in_place(written: _Written) -> CaptionError | None:
    if written.temporary is None:
        return None
    try:
        sidecar.put_in_place(written.temporary, written.finished.task.output)
    except WriteError as error:
        return error
    return None


def _output_key(job: Job, task: Task) -> str:
    """The output as the ledger names it, in the way that it names the image."""
    return task.output if os.path.isabs(job.key) else os.path.relpath(task.output, job.image.root)
