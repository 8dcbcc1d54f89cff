"""Finished captions onto the disk: many at a time, each whole or not at all, and none without its record.

The order makes that hold through a kill at any moment: first the new texts are staged, then what is known of
them goes into the ledger, then they are put into their places. The run after one that ended in between finds
a record whose text isn't there, and makes it again.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from adapter.caption.answer import Answer
from adapter.dataset.decide import Existing, KeepEdited
from adapter.dataset.history import Replaced
from adapter.dataset.ledger import Ledger
from adapter.dataset.placing import placing
from adapter.dataset.planning import Job, Task
from adapter.dataset.records import WRITTEN, Entry, Failure, to_failure
from adapter.dataset.texts.own_text import own_hash
from adapter.dataset.texts.text_store import Staged, Texts
from adapter.dataset.verdicts import Verdict
from adapter.errors import BadCaptionError, CaptionError, EmptyCaptionError, LedgerError, WriteError

ADDING = (Existing.APPEND, Existing.PREPEND)
SYNC_THREADS = 8  # a disk takes several files at a time faster than one after the other


@dataclass(frozen=True)
class Finished:
    """An answer that is to be written, or the error that came instead."""

    job: Job
    task: Task
    result: Answer | CaptionError

    @property
    def place(self) -> str:
        """The absolute place of the text."""
        return self.job.dataset.place(self.task.output)


@dataclass(frozen=True)
class Written:
    """A text that is in its place. `has_replaced` tells whether another one was there."""

    answer: Answer
    has_replaced: bool = False


# What came of it: the text in its place, one that was changed meanwhile and stays, or an error.
Outcome = Written | KeepEdited | CaptionError


@dataclass(frozen=True)
class _Begun:
    """A staged text, with what the ledger is to know of it."""

    answer: Answer
    staged: Staged
    entry: Entry


class Writer:
    """Writes answers as texts. Must be closed."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._threads = ThreadPoolExecutor(SYNC_THREADS, "write")

    def close(self) -> None:
        self._threads.shutdown()

    def write(self, batch: Sequence[Finished]) -> list[Outcome]:
        """Writes them all, and gives what came of each. Errors are in the ledger too when it returns.

        Raises LedgerError where the ledger can't be written: then none of the texts is.
        """
        begun = list(self._threads.map(self._begin, batch))
        staged = [one.staged for one in begun if isinstance(one, _Begun)]
        try:
            self._record(batch, begun)
        except LedgerError:
            for one in staged:
                self._texts.discard(one)
            raise
        outcomes = self._put_all(batch, begun)
        late = [
            outcome if isinstance(one, _Begun) else None for one, outcome in zip(begun, outcomes, strict=True)
        ]
        if any(isinstance(outcome, CaptionError) for outcome in late):
            self._record(batch, late)
        list(self._threads.map(self._texts.sync_folder, self._texts.folders(staged)))
        return outcomes

    def _begin(self, finished: Finished) -> _Begun | KeepEdited | CaptionError:
        """Stages the text. Nothing of it can be seen yet."""
        job, task, answer = finished.job, finished.task, finished.result
        if isinstance(answer, CaptionError):
            return answer
        text = task.recipe.text(answer.text)
        if not text:
            return EmptyCaptionError()
        try:
            marker = job.dataset.ledger.marker
            staged = self._texts.stage(finished.place, text, task.recipe.trigger, task.seen_hash, marker)
        except WriteError as error:
            return error
        if staged is None:
            return KeepEdited()
        fingerprint, own = job.item.fingerprint(), job.item.text
        entry = Entry(
            output=task.output,
            image=job.name,
            style=task.recipe.style,
            state=WRITTEN,
            size=None if fingerprint is None else fingerprint.size,
            mtime_ns=None if fingerprint is None else fingerprint.mtime_ns,
            details=task.recipe.details(job.item.key, answer.weights),
            # Beside somebody's own words ours make a text that is theirs, which no later run replaces.
            hash=None if task.is_somebodys and self._texts.existing in ADDING else staged.hash,
            previous_hash=staged.previous_hash if own is None else own_hash(own),
            text=staged.text,
            prompt_tokens=answer.prompt_tokens,
            completion_tokens=answer.completion_tokens,
            seconds=round(answer.seconds, 3),
            finish_reason=answer.finish_reason,
            at=time.time(),
        )
        return _Begun(answer, staged, entry)

    def _put_all(
        self, batch: Sequence[Finished], begun: Sequence[_Begun | KeepEdited | CaptionError]
    ) -> list[Outcome]:
        """Puts what is begun into its place, by one ledger after the other, and gives what came of all."""
        by_ledger: dict[Path, list[int]] = {}
        outcomes: dict[int, Outcome] = {}
        for number, (finished, one) in enumerate(zip(batch, begun, strict=True)):
            if isinstance(one, _Begun):
                by_ledger.setdefault(finished.job.dataset.ledger.path, []).append(number)
            else:
                outcomes[number] = one
        for path, numbers in by_ledger.items():
            some = [(number, one) for number in numbers if isinstance(one := begun[number], _Begun)]
            try:
                with placing(path):
                    outcomes |= {number: self._put(one) for number, one in some}
            except LedgerError as error:
                for number, one in some:
                    self._texts.discard(one.staged)
                    outcomes[number] = WriteError(error.message)
        return [outcomes[number] for number in range(len(batch))]

    def _put(self, begun: _Begun) -> Written | KeepEdited | WriteError:
        try:
            is_there = self._texts.put(begun.staged)
        except WriteError as error:
            return error
        return Written(begun.answer, begun.staged.previous is not None) if is_there else KeepEdited()

    def _record(self, batch: Sequence[Finished], outcomes: Sequence[_Begun | Outcome | None]) -> None:
        """Writes entries of what is begun and failures of what failed, ledger by ledger.

        Raises LedgerError.
        """
        by_ledger: dict[int, tuple[Ledger, _Records]] = {}
        for finished, outcome in zip(batch, outcomes, strict=True):
            ledger = finished.job.dataset.ledger
            _, records = by_ledger.setdefault(id(ledger), (ledger, _Records()))
            records.add(finished, outcome)
        for ledger, records in by_ledger.values():
            ledger.record(records.entries, records.failures, records.replaced, records.verdicts)


@dataclass
class _Records:
    """What goes into one ledger together."""

    entries: list[Entry] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    replaced: list[Replaced] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def add(self, finished: Finished, outcome: _Begun | Outcome | None) -> None:
        task = finished.task
        if isinstance(outcome, _Begun):
            self.entries.append(outcome.entry)
            staged, answer = outcome.staged, outcome.answer
            if staged.previous is not None and staged.previous_hash != staged.hash:
                self.replaced.append(Replaced(task.output, staged.previous, staged.hash))
            flaws = tuple(flaw.kind.value for flaw in answer.flaws or ())
            if flaws or answer.attempts > 1:
                self.verdicts.append(Verdict(task.output, answer.attempts, flaws))
        elif isinstance(outcome, CaptionError):
            self.failures.append(to_failure(finished.job.name, task.output, outcome))
            if isinstance(outcome, BadCaptionError):
                attempts = task.attempts + outcome.attempts
                self.verdicts.append(Verdict(task.output, attempts, outcome.flaws, outcome.text))
