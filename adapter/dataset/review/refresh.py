"""Brings an index up to date with the files of a folder and its ledger. Meant for a process of its own."""

import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from adapter.dataset.review.index import Index
from adapter.dataset.review.reading import Reader
from adapter.dataset.review.survey import Survey
from adapter.dataset.selection import Dataset, Selection, open_datasets
from adapter.errors import LedgerError, WriteError

FIRST, CHUNK = 200, 2000  # images that are noted together: so that there soon are some to be looked at
READ_CHUNK = 200  # texts


@contextlib.contextmanager
def opened(root: str) -> Iterator[Dataset]:
    """Opens the dataset in `root` for looking, without writing or locking anything.

    Raises LedgerUnavailableError.
    """
    with open_datasets(Selection([root]), dry=True) as (dataset,):
        yield dataset


def refresh(path: Path, root: str, extension: str) -> str:
    """Brings the index at `path` up to date, and gives what kept the ledger from being read, or nothing.

    Raises InvalidRequestError where the folder can't be read, WriteError where the index can't be used.
    """
    try:
        return _refresh(path, root, extension)
    except WriteError:
        if path.exists():
            raise
    return _refresh(path, root, extension)  # it was broken, and is made anew


def _refresh(path: Path, root: str, extension: str) -> str:
    with contextlib.closing(Index.open(path)) as index:
        walk = index.next_walk()
        items = Survey(root, extension).items()
        size = FIRST
        while seen := list(islice(items, size)):
            index.take(walk, seen)
            size = CHUNK
        index.end_walk(walk)
        try:
            with opened(root) as dataset:
                _put_failures(index, dataset)
                _read(index, Reader(root, dataset))
        except LedgerError as error:
            _read(index, Reader(root, None))
            return error.message
    return ""


def _put_failures(index: Index, dataset: Dataset) -> None:
    ledgers = dataset.ledger.others  # its own is a copy
    failures = (failure for ledger in ledgers for failure in ledger.failures(refused=True))
    known = ((dataset.key(failure.image), failure) for failure in failures)
    index.put_failures((key, failure) for key, failure in known if key is not None)


def _read(index: Index, reader: Reader) -> None:
    while paths := index.stale(READ_CHUNK):
        index.put(reader.read(paths))
