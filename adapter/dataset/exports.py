"""What the ledger knows of the files that texts were collected in: whether they are as they were written."""

from pathlib import Path

from adapter.dataset.ledger import Ledger


def is_ours(path: Path, ledger: Ledger) -> bool:
    """Tells whether the file at `path` is as a run wrote it. Raises LedgerError, OSError."""
    found = list(ledger.rows("SELECT identity FROM exports WHERE path = ?", (str(path.absolute()),)))
    return bool(found) and found[0][0] == _identity(path)


def note(path: Path, ledger: Ledger) -> None:
    """Notes that the file at `path` was just written. Raises LedgerError, OSError."""
    with ledger.transaction() as connection:
        row = (str(path.absolute()), _identity(path))
        connection.execute("INSERT OR REPLACE INTO exports VALUES (?,?)", row)


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
