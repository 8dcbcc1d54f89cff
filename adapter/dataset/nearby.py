"""Ledgers that other runs left in folders of a dataset, or above it: what they know of a text counts too."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import FOLDER, dataset_ledgers
from adapter.dataset.records import Entry
from adapter.errors import LedgerError

MAX_FOLDERS = 10_000  # whose nearest ledger is remembered


def covering_folder(folder: str) -> str:
    """Gives the nearest folder, from `folder` upwards, that has a ledger of this user's; else `folder`
    itself.
    """
    here = folder
    while True:
        if _is_own(here):
            return here
        above = os.path.dirname(here)
        if above == here:
            return folder
        here = above


def _is_own(folder: str) -> bool:
    with contextlib.suppress(OSError):
        status = os.lstat(os.path.join(folder, FOLDER))
        return status.st_uid == os.getuid() and bool(dataset_ledgers(folder)) and os.access(folder, os.W_OK)
    return False


class NearbyLedgers:
    """The ledgers nearer to a text than the run's own one at `path`. Must be closed.

    Only folders below `base` count, or all of them where it is None: then the run's ledger lies elsewhere.
    """

    def __init__(self, path: Path, base: str | None) -> None:
        self._own = path.absolute()
        self._base = base
        self._nearest: dict[str, str | None] = {}
        self._ledgers: dict[str, list[Ledger]] = {}

    def close(self) -> None:
        for ledgers in self._ledgers.values():
            for ledger in ledgers:
                ledger.close()

    def lookup(self, places: Sequence[str]) -> dict[str, Entry]:
        """Gives what the nearest ledgers know of texts, by their absolute places. Raises LedgerError."""
        by_folder: dict[str, list[str]] = {}
        for place in places:
            nearest = self._find(os.path.dirname(place))
            if nearest is not None:
                by_folder.setdefault(nearest, []).append(place)
        found = {}
        for folder, some in by_folder.items():
            names = {os.path.relpath(place, folder): place for place in some}
            for ledger in self._open(folder):
                for name, entry in ledger.lookup(list(names)).items():
                    found[names[name]] = entry
        return found

    def _find(self, folder: str) -> str | None:
        if folder not in self._nearest:
            if len(self._nearest) >= MAX_FOLDERS:
                self._nearest.clear()
            above = os.path.dirname(folder)
            nearest: str | None
            if folder == self._base or (self._base is not None and not folder.startswith(self._base)):
                nearest = None
            elif _is_own(folder) and self._own.parent != Path(folder, FOLDER):
                nearest = folder
            else:
                nearest = None if above == folder else self._find(above)
            self._nearest[folder] = nearest
        return self._nearest[folder]

    def _open(self, folder: str) -> list[Ledger]:
        if folder not in self._ledgers:
            self._ledgers[folder] = []
            for path in dataset_ledgers(folder):
                with contextlib.suppress(LedgerError):  # then its texts are as if nobody had made them
                    self._ledgers[folder].append(Ledger.open_read_only(path))
        return self._ledgers[folder]
