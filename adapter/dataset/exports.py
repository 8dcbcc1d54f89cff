"""What the ledger knows of the files that texts were collected in: whether they are as they were written."""

import os
from pathlib import Path

from adapter.dataset.ledger import Ledger


def is_ours(path: Path, ledger: Ledger) -> bool:
    """Tells whether the file at `path` is as a run wrote it. Raises LedgerError, OSError."""
    return not path.is_symlink() and _identity(path) in _noted(path, ledger)


def is_there(path: Path) -> bool:
    """Tells whether something is at `path`, if only a link to nothing."""
    return os.path.lexists(path)


def announce(path: Path, temporary: Path, ledger: Ledger) -> None:
    """Notes that `temporary` is about to take the place of the file at `path`: a kill may come just after.

    Raises LedgerError, OSError.
    """
    there = [_identity(path)] if is_there(path) and is_ours(path, ledger) else []
    _put(path, [*there, _identity(temporary)], ledger)


def note(path: Path, ledger: Ledger) -> None:
    """Notes that the file at `path` was just written. Raises LedgerError, OSError."""
    _put(path, [_identity(path)], ledger)


def _noted(path: Path, ledger: Ledger) -> list[str]:
    found = list(ledger.rows("SELECT identity FROM exports WHERE path = ?", (str(path.absolute()),)))
    return str(found[0][0]).split() if found else []


def _put(path: Path, identities: list[str], ledger: Ledger) -> None:
    with ledger.transaction() as connection:
        row = (str(path.absolute()), " ".join(identities))
        connection.execute("INSERT OR REPLACE INTO exports VALUES (?,?)", row)


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
