"""The file of an index: its tables, and how it is opened.

Everything in it can be read again from the files and the ledger. So a broken index, or one of another
version, is removed and made anew.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from adapter.errors import WriteError

VERSION: Final = 1
BUSY_S: Final = 30.0
SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
  id INTEGER PRIMARY KEY,
  key NOT NULL UNIQUE,
  lower_name TEXT NOT NULL,
  place TEXT NOT NULL,  -- among the others, numbers by their value
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
  failure TEXT, message TEXT, refused TEXT,  -- what kept it from getting a text, by the ledger
  seen INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS items_by_place ON items (place);
CREATE INDEX IF NOT EXISTS items_by_failure ON items (failure) WHERE failure IS NOT NULL;
CREATE TABLE IF NOT EXISTS texts (
  id INTEGER PRIMARY KEY,
  item INTEGER NOT NULL REFERENCES items (id),
  style TEXT NOT NULL,
  path NOT NULL,
  size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,  -- of the file as it was read
  is_stale INTEGER NOT NULL DEFAULT 1,
  hash BLOB, text TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL DEFAULT '', flaws TEXT NOT NULL DEFAULT '', weight INTEGER NOT NULL DEFAULT 0,
  is_accepted INTEGER NOT NULL DEFAULT 0, clip_tokens INTEGER, problem TEXT NOT NULL DEFAULT '',
  seen INTEGER NOT NULL,
  UNIQUE (item, style)
);
CREATE INDEX IF NOT EXISTS texts_by_path ON texts (path);
CREATE INDEX IF NOT EXISTS texts_by_staleness ON texts (id) WHERE is_stale;
CREATE INDEX IF NOT EXISTS texts_by_hash ON texts (hash);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
  text, content = 'texts', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER IF NOT EXISTS text_added AFTER INSERT ON texts BEGIN
  INSERT INTO words (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER IF NOT EXISTS text_dropped AFTER DELETE ON texts BEGIN
  INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER IF NOT EXISTS text_changed AFTER UPDATE OF text ON texts WHEN new.text IS NOT old.text BEGIN
  INSERT INTO words (words, rowid, text) VALUES ('delete', old.id, old.text);
  INSERT INTO words (rowid, text) VALUES (new.id, new.text);
END;
"""
# What SQLite says of a file that is no database, or no longer one.
BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def connect(path: Path) -> sqlite3.Connection:
    """Opens the index, and makes it anew where it isn't there or isn't one of ours.

    Raises OSError, sqlite3.Error.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _opened(path)
    except sqlite3.DatabaseError as error:
        # The version or the tables are wrong. A locked index or a full disk is no reason to remove it.
        if not is_broken(error) and _code(error) not in (None, sqlite3.SQLITE_ERROR):
            raise
    remove(path)
    return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    with contextlib.ExitStack() as unused:
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        unused.callback(connection.close)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # what is lost is made again
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}")
        if version == 0:
            connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA};PRAGMA user_version = {VERSION};COMMIT;")
        connection.execute("SELECT count(*) FROM (SELECT id FROM texts LIMIT 1)").fetchone()
        unused.pop_all()
        return connection


def remove(path: Path) -> None:
    """Removes an index, whoever uses it. Raises OSError."""
    # Its file comes last: a log without it would be taken for that of the next one.
    for ending in ("-wal", "-shm", "-journal", ""):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}{ending}")


def identity(path: Path) -> tuple[int, int] | None:
    """Gives what tells the file at `path` from another one there, None where there is none."""
    with contextlib.suppress(OSError):
        status = os.stat(path)
        return status.st_dev, status.st_ino
    return None


def _code(error: sqlite3.Error) -> int | None:
    """Gives what kind of error it is, None for one of Python's or our own."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF  # without what is more exact


def is_broken(error: sqlite3.Error) -> bool:
    """Tells whether an error means that the file is no database, or no longer one."""
    return _code(error) in BROKEN


@contextlib.contextmanager
def as_ours(path: Path) -> Iterator[None]:
    """Turns what goes wrong with an index into WriteError."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        number = error.errno if isinstance(error, OSError) else None
        raise WriteError(f"The index {path.name} can't be used: {reason}", number or 0) from error
