"""What was captioned how, what failed and why: one SQLite file for a dataset.

Names are kept as text, or as bytes where they aren't UTF-8.
"""

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from adapter.dataset.records import FOUND, WRITTEN, Entry, Failure
from adapter.errors import InvalidRequestError

FOLDER = ".joycaption"
VERSION = 1
LOOKUP_CHUNK = 500  # SQLite takes at most 999 parameters in its older versions
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
Stored = str | bytes


class LedgerError(InvalidRequestError):
    """The ledger can't be opened, read or written; says why."""


class Ledger:
    """One ledger file, locked while it is open for writing. May be used from several threads.

    Machines that share a folder write a file each, and read the others'.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._held: IO[bytes] | None = None
        try:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._held = _hold(path)
            self._connection = _connect(path, read_only)
            others = [] if read_only else _siblings(path)
        except (OSError, sqlite3.Error) as error:
            self._release()
            reason = error.strerror if isinstance(error, OSError) else error
            raise LedgerError(
                f"The ledger {path} can't be opened: {reason}. --ledger PATH puts it elsewhere"
            ) from error
        self._settings: dict[str, int] = {}
        self._others = [Ledger(other, read_only=True) for other in others]

    @classmethod
    def scratch(cls, path: Path) -> "Ledger":
        """One that knows what the ledger at `path` knows, and keeps what is recorded to itself."""
        ledger = cls.__new__(cls)
        ledger.path = path
        ledger._lock = threading.Lock()
        ledger._held = None
        ledger._settings = {}
        ledger._connection = _set_up(sqlite3.connect(":memory:", check_same_thread=False))
        known = [path] if path.exists() else []
        ledger._others = [cls(other, read_only=True) for other in (*_siblings(path), *known)]
        if known:
            ledger.record((), ledger._others[-1].failures())
        return ledger

    def close(self) -> None:
        for other in self._others:
            other.close()
        self._connection.close()
        self._release()

    def lookup(self, outputs: Sequence[str]) -> dict[str, Entry]:
        """What is known of these outputs, by this ledger or another shard's."""
        found: dict[str, Entry] = {}
        for ledger in (*self._others, self):
            for start in range(0, len(outputs), LOOKUP_CHUNK):
                some = [_store(output) for output in outputs[start : start + LOOKUP_CHUNK]]
                marks = ",".join("?" * len(some))
                for entry in ledger._entries(f"WHERE output IN ({marks})", some):
                    found[entry.output] = entry
        return found

    def record(self, entries: Iterable[Entry], failures: Iterable[Failure] = ()) -> None:
        """Writes all of them in one transaction, safe on the disk when it returns. Raises LedgerError.

        An entry ends its image's failure.
        """
        entries = list(entries)
        with self._transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO captions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [self._row(connection, entry) for entry in entries],
            )
            connection.executemany(
                "DELETE FROM failures WHERE image = ? AND output = ?",
                [(_store(entry.image), _store(entry.output)) for entry in entries],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO failures VALUES (?,?,?,?,?)",
                [
                    (_store(failure.image), _store(failure.output), failure.code, failure.message, failure.at)
                    for failure in failures
                ],
            )

    def entries(self) -> Iterator[Entry]:
        """All of them in the order of their images, this ledger's after those of other shards."""
        for ledger in (*self._others, self):
            yield from ledger._entries("ORDER BY image, output", ())

    def exported(self, path: str) -> str | None:
        """How the output at `path` was known when it was written, None when it wasn't."""
        found = list(self._rows("SELECT identity FROM exports WHERE path = ?", (path,)))
        return found[0][0] if found else None

    def record_export(self, path: str, identity: str) -> None:
        """Raises LedgerError."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO exports VALUES (?,?)", (path, identity))

    def failures(self, since: float = 0.0) -> Iterator[Failure]:
        """Those that still are, recorded at `since` or later, in the order of their images."""
        query = "SELECT image, output, code, message, at FROM failures WHERE at >= ? ORDER BY image"
        for image, output, code, message, at in self._rows(query, (since,)):
            yield Failure(_load(image), _load(output), code, message, at)

    def count(self) -> dict[str, int]:
        """How many texts are written and found, and the tokens and cut texts among them."""
        query = """SELECT state, count(*), total(prompt_tokens), total(completion_tokens),
                          total(finish_reason = 'length') FROM captions GROUP BY state"""
        counts = {WRITTEN: 0, FOUND: 0, "prompt_tokens": 0, "completion_tokens": 0, "cut": 0}
        for state, number, prompt_tokens, completion_tokens, cut in self._rows(query, ()):
            counts[state] = number
            counts["prompt_tokens"] += int(prompt_tokens)
            counts["completion_tokens"] += int(completion_tokens)
            counts["cut"] += int(cut)
        return counts

    def _entries(self, condition: str, parameters: Sequence[Any]) -> Iterator[Entry]:
        query = f"""SELECT output, image, style, state, size, mtime_ns, details, hash, previous_hash, text,
                           prompt_tokens, completion_tokens, seconds, finish_reason, at
                    FROM captions LEFT JOIN settings ON settings.id = captions.settings {condition}"""  # noqa: S608
        for output, image, *rest in self._rows(query, parameters):
            yield Entry(_load(output), _load(image), *rest)

    def _rows(self, query: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """A thousand at a time, so that neither memory nor the lock is held for long."""
        try:
            with self._lock:
                cursor = self._connection.execute(query, parameters)
            while True:
                with self._lock:
                    rows = cursor.fetchmany(1000)
                if not rows:
                    return
                yield from rows
        except sqlite3.Error as error:
            raise LedgerError(f"The ledger {self.path} can't be read: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                with self._connection:
                    yield self._connection
            except sqlite3.Error as error:
                self._settings.clear()  # some may have been rolled back
                raise LedgerError(f"The ledger {self.path} can't be written: {error}") from error

    def _row(self, connection: sqlite3.Connection, entry: Entry) -> tuple[Any, ...]:
        return (
            _store(entry.output),
            _store(entry.image),
            entry.style,
            entry.state,
            entry.size,
            entry.mtime_ns,
            None if entry.details is None else self._settings_id(connection, entry.details),
            entry.hash,
            entry.previous_hash,
            entry.text,
            entry.prompt_tokens,
            entry.completion_tokens,
            entry.seconds,
            entry.finish_reason,
            entry.at,
        )

    def _settings_id(self, connection: sqlite3.Connection, details: str) -> int:
        if details not in self._settings:
            connection.execute("INSERT OR IGNORE INTO settings (details) VALUES (?)", (details,))
            (number,) = connection.execute("SELECT id FROM settings WHERE details = ?", (details,)).fetchone()
            self._settings[details] = number
        return self._settings[details]

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()


def ledger_path(root: str, shard: tuple[int, int] | None = None) -> Path:
    """Where the ledger of the dataset in `root` is, or that of one share of it."""
    name = "ledger.sqlite" if shard is None else f"ledger-{shard[0]}-of-{shard[1]}.sqlite"
    return Path(root, FOLDER, name)


def dataset_ledgers(root: str) -> list[Path]:
    """All ledgers that there are of the dataset in `root`."""
    return sorted(Path(root, FOLDER).glob("ledger*.sqlite"))


def _siblings(path: Path) -> list[Path]:
    """The ledgers of other shares, but for one that is just being made."""
    others = [other for other in dataset_ledgers(str(path.parent.parent)) if other != path]
    return [other for other in others if _version(other) == VERSION]


def _version(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)


def _connect(path: Path, read_only: bool) -> sqlite3.Connection:
    # Not `ro`: what a killed run left half written has to be taken back before anything can be read. Where
    # the file can't be written to, SQLite reads it all the same.
    mode = "rw" if read_only else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=60, check_same_thread=False
    )
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        connection.close()
        raise sqlite3.DatabaseError(f"it is of version {version}, and this program knows {VERSION}")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
        return connection
    return _set_up(connection)


def _set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    # No write-ahead log: it needs shared memory, which network file systems don't have.
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(SCHEMA)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    return connection


def _hold(path: Path) -> IO[bytes]:
    held = open(path.with_name(path.name + ".lock"), "wb")  # noqa: SIM115 - open as long as the ledger is
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise LedgerError(
            f"Another run works on this dataset (it holds {path}): wait for its end, or use --shard"
        ) from error
    return held


def _store(name: str) -> Stored:
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def _load(name: Stored) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else name
