"""The files of ledgers: where they are, how they are opened, and who may write to them."""

import contextlib
import fcntl
import sqlite3
from pathlib import Path
from typing import IO

from adapter.errors import LedgerUnavailableError

FOLDER = ".joycaption"
VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, details TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS captions (
  output PRIMARY KEY,  -- the sidecar's path, or what it would be
  image NOT NULL,
  style TEXT NOT NULL,
  state TEXT NOT NULL,  -- 'written' by us, or 'found' there
  size INTEGER, mtime_ns INTEGER,  -- of the image's file
  settings INTEGER REFERENCES settings (id),
  hash BLOB,  -- of the sidecar as we wrote it
  previous_hash BLOB,  -- of what it replaced
  text TEXT,  -- where no sidecar holds it
  prompt_tokens INTEGER, completion_tokens INTEGER, seconds REAL, finish_reason TEXT, at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
  image NOT NULL, output NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (image, output)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exports (path TEXT PRIMARY KEY, identity TEXT NOT NULL);
"""


def ledger_path(root: str, shard: tuple[int, int] | None = None) -> Path:
    """Gives the path of the ledger of the dataset in `root`, or of the ledger of one share of it."""
    name = "ledger.sqlite" if shard is None else f"ledger-{shard[0]}-of-{shard[1]}.sqlite"
    return Path(root, FOLDER, name)


def dataset_ledgers(root: str) -> list[Path]:
    """Gives the paths of all ledgers that the dataset in `root` has."""
    return sorted(Path(root, FOLDER).glob("ledger*.sqlite"))


def siblings(path: Path) -> list[Path]:
    """Gives the paths of the dataset's other ledgers, without any that is just being made.

    A ledger that people have put elsewhere has none: it names everything by absolute paths.
    """
    if path.parent.name != FOLDER:
        return []
    others = [other for other in dataset_ledgers(str(path.parent.parent)) if other != path]
    return [other for other in others if _version(other) == VERSION]


def _version(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Opens a ledger's file. Raises OSError, sqlite3.Error."""
    # Not `ro`: what a killed run left half written has to be taken back before anything can be read. Where
    # the file can't be written to, SQLite reads it all the same.
    mode = "rw" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=60, check_same_thread=False
    )
    with contextlib.ExitStack() as unused:
        unused.callback(connection.close)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}, and this program knows {VERSION}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        else:
            set_up(connection)
        unused.pop_all()
        return connection


def set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Makes the ledger's tables where they aren't there, and gives the connection back."""
    # No write-ahead log: it needs shared memory, which network file systems don't have.
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(SCHEMA)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    return connection


def hold(path: Path) -> IO[bytes]:
    """Takes the ledger's lock, and gives the file whose closing releases it.

    Raises LedgerUnavailableError, OSError.
    """
    held = open(path.with_name(path.name + ".lock"), "wb")  # noqa: SIM115 - open as long as the ledger is
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise LedgerUnavailableError(
            f"Another run works on this dataset (it holds {path}): wait for its end, or use --shard"
        ) from error
    return held
