"""The datasets that are meant: where their items are, and which ledger keeps what is known of each."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from adapter.dataset.inputs.file_list import FileList, NamedFiles
from adapter.dataset.inputs.folder import Folder
from adapter.dataset.inputs.input import Input
from adapter.dataset.inputs.share import Share, SharedInput
from adapter.dataset.item import Item
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.errors import InvalidRequestError


@dataclass(frozen=True)
class Dataset:
    """The items of an input, with the ledger that keeps what is known of them.

    The ledger knows items and texts by their keys, or by absolute paths where it may be that of several
    datasets (`is_shared`).
    """

    input: Input
    ledger: Ledger = field(repr=False)
    is_shared: bool = False

    def name(self, key: str) -> str:
        """Gives the ledger's name for an item or a text."""
        return os.path.join(self.input.root, key) if self.is_shared else key

    def place(self, name: str) -> str:
        """Gives the absolute place of an item or a text, by its key or by its name in the ledger."""
        return os.path.join(self.input.root, name)

    def failed_items(self) -> Iterator[Item]:
        """Gives the items that the ledger has failures of. Raises LedgerError."""
        for image, _ in groupby(self.ledger.failures(), lambda failure: failure.image):
            key = self.input.key(image) if self.is_shared else image
            if key is not None:
                yield self.input.item(key)


@dataclass(frozen=True)
class Selection:
    """Folders and files (`paths`) and a list of files (`from_file`), or the `share` of them that is meant.

    `ledger` is the ledger to use for all, by default each dataset has its own.
    """

    paths: Sequence[str] = ()
    from_file: str = ""
    recursive: bool = True
    share: Share | None = None
    ledger: Path | None = None

    def inputs(self) -> list[Input]:
        """Gives the inputs. Raises InvalidRequestError for paths that aren't there."""
        found: list[Input] = []
        files = []
        for path in self.paths:
            absolute = os.path.abspath(path)
            if os.path.isdir(absolute):
                found.append(Folder(absolute, recursive=self.recursive))
            elif os.path.lexists(absolute):
                files.append(absolute)
            else:
                raise InvalidRequestError(f"There is no file or folder {path}")
        if files:
            found.append(NamedFiles(files))
        if self.from_file:
            found.append(FileList(self.from_file))
        if not found:
            raise InvalidRequestError("Say what to caption: folders, files, or --from-file LIST")
        share = self.share
        return found if share is None else [SharedInput(whole, share) for whole in found]


@contextlib.contextmanager
def open_datasets(selection: Selection, *, dry: bool = False) -> Iterator[list[Dataset]]:
    """Opens the datasets with their ledgers while the context lasts. If `dry`, nothing is written or locked.

    Raises InvalidRequestError, LedgerUnavailableError.
    """
    share = selection.share
    with contextlib.ExitStack() as stack:
        ledgers: dict[Path, Ledger] = {}
        datasets = []
        for one in selection.inputs():
            path = selection.ledger or ledger_path(one.root, (share.index, share.count) if share else None)
            if path not in ledgers:
                ledgers[path] = Ledger.scratch(path) if dry else Ledger.open(path)
                stack.callback(ledgers[path].close)
            datasets.append(Dataset(one, ledgers[path], is_shared=selection.ledger is not None))
        yield datasets
