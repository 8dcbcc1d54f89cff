"""What was captioned how, and what failed and why: one SQLite file for a dataset.

Opening the file is left to `ledger_file`.
"""

import contextlib
import heapq
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import IO, Any

from adapter.dataset.history import History, Replaced
from adapter.dataset.ledger_file import SQLITE_ERRORS, as_unavailable, check, connect, hold, set_up, siblings
from adapter.dataset.records import Entry, Failure, later
from adapter.dataset.stored_name import Stored, from_stored, is_stored, stored_order, to_stored
from adapter.dataset.verdicts import LOOKUP_CHUNK, Verdict, Verdicts
from adapter.errors import LedgerError


class Ledger:
    """One ledger. May be used from several threads, and must be closed.

    Machines that share a folder write one ledger each, and read the `others`.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        others: Sequence["Ledger"] = (),
        held: IO[bytes] | None = None,
    ) -> None:
        self.path = path
        self._connection = connection
        self.others = others
        self._held = held
        self._lock = threading.Lock()
        self._settings: dict[str, int] = {}
        self.history = History(self.transaction, self.rows)
        self.verdicts = Verdicts(self.rows)
        self.marker = ""

    @classmethod
    def open(cls, path: Path, *, alone: bool = True) -> "Ledger":
        """Opens the ledger at `path` for writing, and makes it where there is none. Only one may be `alone`;
        what changes single texts may work beside it. Raises LedgerUnavailableError.
        """
        with contextlib.ExitStack() as unused, as_unavailable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            check(path)
            held = unused.enter_context(hold(path)) if alone else None
            connection = unused.enter_context(contextlib.closing(connect(path, read_only=False)))
            ledger = cls(path, connection, cls._opened(siblings(path), unused), held)
            ledger._begin()
            unused.pop_all()
            return ledger

    def _begin(self) -> None:
        """Makes ready for writing: the ledger's marker, and the list of failures of this run."""
        found = self._connection.execute("SELECT marker FROM markers LIMIT 1").fetchone()
        if found is None:
            found = (secrets.token_hex(16),)
            with self._connection:
                self._connection.execute("INSERT INTO markers VALUES (?)", found)
        self.marker = str(found[0])
        self._connection.execute("CREATE TEMP TABLE recent (image NOT NULL, output NOT NULL)")

    @classmethod
    def open_read_only(cls, path: Path) -> "Ledger":
        """Opens a ledger that is there. Raises LedgerUnavailableError."""
        with as_unavailable(path):
            return cls(path, connect(path, read_only=True))

    @classmethod
    def scratch(cls, path: Path) -> "Ledger":
        """Makes a ledger that knows what the one at `path` knows, and keeps what is recorded to itself.

        Raises LedgerUnavailableError.
        """
        with contextlib.ExitStack() as unused, as_unavailable(path):
            known = [path] if path.exists() else []
            others = cls._opened([*siblings(path), *known], unused)
            memory = unused.enter_context(
                contextlib.closing(sqlite3.connect(":memory:", check_same_thread=False))
            )
            ledger = cls(path, set_up(memory), others)
            ledger._begin()
            if known:
                ledger.record((), others[-1].failures())
            unused.pop_all()
            return ledger

    @classmethod
    def _opened(cls, paths: Iterable[Path], stack: contextlib.ExitStack) -> list["Ledger"]:
        """Opens ledgers for reading, and closes them with `stack`."""
        return [stack.enter_context(contextlib.closing(cls.open_read_only(path))) for path in paths]

    def look_for_others(self) -> None:
        """Reads from now on also those of the dataset's ledgers that were made since this one was opened.

        Raises LedgerUnavailableError.
        """
        known = {other.path for other in self.others}
        with contextlib.ExitStack() as unused, as_unavailable(self.path):
            new = [path for path in siblings(self.path) if path not in known]
            self.others = [*self.others, *self._opened(new, unused)]
            unused.pop_all()

    def close(self) -> None:
        for other in self.others:
            other.close()
        with self._lock:  # a thread may be reading still, whose run has ended early
            self._connection.close()
        if self._held is not None:
            self._held.close()

    def lookup(self, outputs: Sequence[str]) -> dict[str, Entry]:
        """Gives what is known of these outputs, by this ledger or another share's: what was recorded last.

        Raises LedgerError.
        """
        found: dict[str, Entry] = {}
        for ledger in (*self.others, self):
            for start in range(0, len(outputs), LOOKUP_CHUNK):
                some = [to_stored(output) for output in outputs[start : start + LOOKUP_CHUNK]]
                marks = ",".join("?" * len(some))
                for entry in ledger._entries(f"WHERE output IN ({marks})", some):
                    found[entry.output] = later(found.get(entry.output), entry)
        return found

    def record(
        self,
        entries: Iterable[Entry],
        failures: Iterable[Failure] = (),
        replaced: Iterable[Replaced] = (),
        verdicts: Iterable[Verdict] = (),
    ) -> None:
        """Writes all of them in one transaction, safe on the disk when it returns. Raises LedgerError.

        An entry ends its image's failure and verdict. What is `replaced` goes into the history.
        """
        entries, failures = list(entries), list(failures)
        with self.transaction() as connection:
            self.history.add(connection, entries, replaced)
            self.verdicts.add(connection, entries, verdicts)
            connection.executemany(
                "INSERT OR REPLACE INTO captions VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                [self._row(connection, entry) for entry in entries],
            )
            ended = [_names(entry) for entry in entries]
            connection.executemany("DELETE FROM failures WHERE image = ? AND output = ?", ended)
            connection.executemany(
                "INSERT OR REPLACE INTO failures VALUES (?,?,?,?,?)",
                [(*_names(failure), failure.code, failure.message, failure.at) for failure in failures],
            )
            connection.executemany(
                "INSERT INTO recent VALUES (?, ?)",
                [_names(failure) for failure in failures],
            )

    def entries(self) -> Iterator[Entry]:
        """Gives all entries in the order of their images.

        Where another share's ledger has an output too, what was recorded last counts, as in `lookup`.
        """
        sorted_entries = (ledger._entries("ORDER BY image, output", ()) for ledger in (*self.others, self))

        def order(entry: Entry) -> tuple[object, ...]:
            return *stored_order(entry.image), *stored_order(entry.output)

        for _, same in groupby(heapq.merge(*sorted_entries, key=order), key=order):
            yield reduce(later, same)

    def failures(self, *, recent: bool = False, refused: bool = False) -> Iterator[Failure]:
        """Gives the failures that still stand, or the `recent` ones among them: recorded since it was opened.

        They come in the order of their images, and those with the captions that were `refused`.
        """
        condition = "WHERE (image, output) IN (SELECT image, output FROM recent)" if recent else ""
        refused_column = self.verdicts.refused_column("failures") if refused else "NULL"
        columns = f"image, output, code, message, at, {refused_column}"
        query = f"SELECT {columns} FROM failures {condition} ORDER BY image"  # noqa: S608
        for image, output, code, message, at, text in self.rows(query, ()):
            if is_stored(image) and is_stored(output) and isinstance(at, float | int):
                told = str(code), str(message), at, str(text or "")
                yield Failure(from_stored(image), from_stored(output), *told)

    def _entries(self, condition: str, parameters: Sequence[Any]) -> Iterator[Entry]:
        query = f"""SELECT output, image, style, state, size, mtime_ns, details, hash, previous_hash, text,
                           prompt_tokens, completion_tokens, seconds, finish_reason, at
                    FROM captions LEFT JOIN settings ON settings.id = captions.settings {condition}"""  # noqa: S608
        for output, image, *rest in self.rows(query, parameters):
            entry = (
                Entry(from_stored(output), from_stored(image), *rest) if is_stored(output, image) else None
            )
            if entry is not None and entry.is_sound:
                yield entry

    def rows(self, query: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """Gives the rows of a query. Raises LedgerError.

        It fetches a thousand at a time, so that neither memory nor the lock is held for long.
        """
        try:
            with self._lock:
                cursor = self._connection.execute(query, parameters)
            while True:
                with self._lock:
                    rows = cursor.fetchmany(1000)
                if not rows:
                    return
                yield from rows
        except SQLITE_ERRORS as error:
            raise LedgerError(f"The ledger {self.path} can't be read: {error}") from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Makes all that is written in the context count, or none of it. Raises LedgerError."""
        with self._lock:
            try:
                with self._connection:
                    yield self._connection
            except SQLITE_ERRORS as error:
                self._settings.clear()  # some may have been rolled back
                raise LedgerError(f"The ledger {self.path} can't be written: {error}") from error

    def _row(self, connection: sqlite3.Connection, entry: Entry) -> tuple[Any, ...]:
        """Gives the entry as its row: its fields, with the number of its details."""
        settings = None if entry.details is None else self._settings_id(connection, entry.details)
        row = vars(entry) | {"details": settings}
        return tuple((row | dict(zip(("image", "output"), _names(entry), strict=True))).values())

    def _settings_id(self, connection: sqlite3.Connection, details: str) -> int:
        if details not in self._settings:
            connection.execute("INSERT OR IGNORE INTO settings (details) VALUES (?)", (details,))
            (number,) = connection.execute("SELECT id FROM settings WHERE details = ?", (details,)).fetchone()
            self._settings[details] = number
        return self._settings[details]


def _names(known: Entry | Failure) -> tuple[Stored, Stored]:
    return to_stored(known.image), to_stored(known.output)
