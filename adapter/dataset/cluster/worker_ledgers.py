"""Ledgers of a cluster's workers, which lie beside the dataset's own one for as long as a run lasts.

Each worker has a new one, so that no lock of a lost worker, which a network file system may keep for long,
keeps another one out. They count as those of shares do. What is left of a run that was killed does so, too,
until the next run of a cluster takes it over.
"""

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import as_unavailable, hold, is_complete
from adapter.dataset.records import Entry, Failure, later, recorded_at
from adapter.dataset.verdicts import Verdict
from adapter.errors import LedgerUnavailableError

PREFIX = "ledger-of-worker-"
CHUNK = 1000  # of what is taken over, in one transaction
T = TypeVar("T")


@contextlib.contextmanager
def opened_worker_ledger(main: Path) -> Iterator[Ledger]:
    """Makes a ledger beside the dataset's own one at `main`, open while the context lasts.

    Raises LedgerUnavailableError.
    """
    path = main.with_name(f"{PREFIX}{secrets.token_hex(8)}.sqlite")
    with contextlib.closing(Ledger.open(path)) as ledger:
        yield ledger


def take_over(main: Ledger) -> int:
    """Takes what workers have recorded into the dataset's own ledger, and removes theirs.

    Gives the number of those that can't be read, or that a worker still has: they stay for the next time.
    Raises LedgerError, after which they all stay.
    """
    left = 0
    with contextlib.ExitStack() as stack:
        taken: list[Ledger] = []
        unused: list[Path] = []
        for path in sorted(main.path.parent.glob(f"{PREFIX}*.sqlite")):
            try:
                with as_unavailable(path):
                    stack.enter_context(hold(path))
                    if not is_complete(path):  # its worker was killed before it could record anything
                        unused.append(path)
                        continue
                taken.append(stack.enter_context(contextlib.closing(Ledger.open_read_only(path))))
            except LedgerUnavailableError:
                left += 1
        for ledger in taken:
            _take_texts(main, ledger)
        for ledger in taken:  # what one failed at, another may have made
            _take_failures(main, ledger)
        for path in [*unused, *(ledger.path for ledger in taken)]:
            for own in [one for one in path.parent.iterdir() if one.name.startswith(path.name)]:
                with contextlib.suppress(OSError):  # it stays, and is taken over once more
                    own.unlink()
    return left


def _take_texts(main: Ledger, ledger: Ledger) -> None:
    verdicts = {one.output: one for one in ledger.verdicts.all() if one.refused is None}
    for run in ledger.history.runs():
        for replaced in _chunks(ledger.history.replaced(run.number)):
            main.record((), (), replaced)
    for entries in _chunks(ledger.entries()):
        known = main.lookup([entry.output for entry in entries])
        latest = [entry for entry in entries if later(known.get(entry.output), entry) is entry]
        main.record(latest, (), (), [verdicts[one.output] for one in latest if one.output in verdicts])


def _take_failures(main: Ledger, ledger: Ledger) -> None:
    refused: dict[str, Verdict] = {
        one.output: one for one in ledger.verdicts.all() if one.refused is not None
    }
    for failures in _chunks(ledger.failures()):
        known = main.lookup([failure.output for failure in failures])
        standing = [failure for failure in failures if not _is_over(failure, known.get(failure.output))]
        main.record((), standing, (), [refused[one.output] for one in standing if one.output in refused])


def _is_over(failure: Failure, entry: Entry | None) -> bool:
    """Tells whether the image has got its text since."""
    return entry is not None and entry.image == failure.image and recorded_at(entry) >= failure.at


def _chunks(elements: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(elements)
    while chunk := list(islice(remaining, CHUNK)):
        yield chunk
