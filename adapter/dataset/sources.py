"""The datasets of a command line: where their images are, and which ledger keeps what is known of them."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from adapter.dataset.ledger import Ledger, ledger_path
from adapter.dataset.scan import FoundImage, Shard, find_images, read_list
from adapter.errors import InvalidRequestError

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Dataset:
    """Images below `root`, found anew by each call of `find`, and their ledger.

    `absolute`: whether the ledger knows them by their whole paths, because it may be that of several roots.
    """

    root: str
    find: Callable[[], Iterator[FoundImage]]
    ledger: Ledger
    absolute: bool
    countable: bool = True  # without changing what is found


@dataclass(frozen=True)
class Selection:
    """Which of the images are meant."""

    paths: Sequence[str] = ()
    from_file: str = ""
    recursive: bool = True
    shard: Shard | None = None
    ledger: Path | None = None

    def roots(self) -> list[tuple[str, Callable[[], Iterator[FoundImage]]]]:
        """Each dataset's root and images. Raises InvalidRequestError for paths that aren't there."""
        found: list[tuple[str, Callable[[], Iterator[FoundImage]]]] = []
        files = []
        for path in self.paths:
            absolute = os.path.abspath(path)
            if os.path.isdir(absolute):
                found.append((absolute, partial(find_images, absolute, recursive=self.recursive)))
            elif os.path.lexists(absolute):
                files.append(absolute)
            else:
                raise InvalidRequestError(f"There is no file or folder {path}")
        if files:
            root = os.path.commonpath([os.path.dirname(file) for file in files])
            images = [FoundImage(root, os.path.relpath(file, root)) for file in files]
            found.append((root, lambda: iter(images)))
        if self.from_file:
            found.append((os.getcwd(), lambda: _from_file(self.from_file)))
        if not found:
            raise InvalidRequestError("Say what to caption: folders, files, or --from-file LIST")
        return found


@contextlib.contextmanager
def open_datasets(selection: Selection, *, dry: bool = False) -> Iterator[list[Dataset]]:
    """The datasets with their ledgers open; if `dry`, nothing is written to them or held.

    Raises InvalidRequestError, LedgerError.
    """
    with contextlib.ExitStack() as stack:
        ledgers: dict[Path, Ledger] = {}
        datasets = []
        for root, find in selection.roots():
            shard = selection.shard
            path = selection.ledger or ledger_path(root, (shard.index, shard.count) if shard else None)
            if path not in ledgers:
                ledgers[path] = Ledger.scratch(path) if dry else Ledger(path)
                stack.callback(ledgers[path].close)
            datasets.append(
                Dataset(
                    root,
                    _shared(find, shard),
                    ledgers[path],
                    absolute=selection.ledger is not None,
                    countable=selection.from_file != STANDARD_INPUT,
                )
            )
        yield datasets


def failed_images(dataset: Dataset) -> Iterator[FoundImage]:
    """Those that the ledger has failures of."""
    last = None
    for failure in dataset.ledger.failures():
        if failure.image != last:
            last = failure.image
            yield FoundImage(dataset.root, failure.image)


def _shared(
    find: Callable[[], Iterator[FoundImage]], shard: Shard | None
) -> Callable[[], Iterator[FoundImage]]:
    if shard is None:
        return find
    return lambda: (image for image in find() if shard.has(image.relative))


def _from_file(path: str) -> Iterator[FoundImage]:
    if path == STANDARD_INPUT:
        yield from read_list(sys.stdin)
        return
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            yield from read_list(file)
    except OSError as error:
        raise InvalidRequestError(f"--from-file {path} can't be read: {error.strerror}") from error
