"""What runs replaced, kept in the ledger so that it can be put back."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from sqlite3 import Connection
from typing import Any

from adapter.dataset.records import Entry
from adapter.dataset.stored_name import from_stored, to_stored

DEFAULT_MAX_BYTES = 2**30


@dataclass(frozen=True)
class Replaced:
    """A text that a run replaced: its `text` as it was, and the `hash` of what the run wrote instead."""

    output: str
    text: bytes
    hash: bytes


@dataclass(frozen=True)
class PastRun:
    """A run that replaced texts: its number, when it began (Unix time), and how many of them are kept."""

    number: int
    at: float
    replaced: int


class History:
    """The history in one ledger, which gives its `transaction` and its `rows`.

    `max_bytes` is the limit for all texts together. `dropped` counts those that this program dropped for it,
    the oldest first.
    """

    def __init__(
        self,
        transaction: Callable[[], AbstractContextManager[Connection]],
        rows: Callable[[str, Sequence[Any]], Iterator[tuple[Any, ...]]],
    ) -> None:
        self.max_bytes = DEFAULT_MAX_BYTES
        self.dropped = 0
        self._transaction = transaction
        self._rows = rows
        self.run: int | None = None  # the number under which it is kept, once something is replaced
        self._bytes: int | None = None

    def add(self, connection: Connection, entries: Iterable[Entry], replaced: Iterable[Replaced]) -> None:
        """Keeps what is being replaced by `entries`, as a part of a transaction.

        Texts that only the ledger holds are found in it; those in files are in `replaced`.
        """
        rows = [(to_stored(one.output), one.hash, one.text) for one in replaced]
        for entry in entries:
            if entry.text is not None and entry.hash is not None:
                found = connection.execute(
                    "SELECT CAST(text AS BLOB) FROM captions WHERE output = ? AND text IS NOT NULL "
                    "AND hash IS NOT ?",
                    (to_stored(entry.output), entry.hash),
                ).fetchone()
                if found is not None:
                    rows.append((to_stored(entry.output), entry.hash, found[0]))
        if not rows:
            return
        if self.run is None:
            self.run = connection.execute("INSERT INTO runs (at) VALUES (?)", (time.time(),)).lastrowid
        # Where a run replaces a text twice, what was there before the run counts.
        connection.executemany(
            "INSERT INTO history (run, output, hash, text) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (run, output) DO UPDATE SET hash = excluded.hash",
            [(self.run, *row) for row in rows],
        )
        self._bound(connection, sum(len(row[2]) for row in rows))

    def runs(self) -> list[PastRun]:
        """Gives the runs that replaced texts, the newest first. Raises LedgerError."""
        query = (
            "SELECT runs.id, runs.at, count(*) FROM runs JOIN history ON history.run = runs.id "
            "GROUP BY runs.id ORDER BY runs.id DESC"
        )
        return [PastRun(int(number), float(at), int(count)) for number, at, count in self._rows(query, ())]

    def replaced(self, run: int) -> Iterator[Replaced]:
        """Gives what a run replaced. Raises LedgerError."""
        query = "SELECT output, text, hash FROM history WHERE run = ? ORDER BY output"
        for output, text, digest in self._rows(query, (run,)):
            if isinstance(output, str | bytes) and isinstance(text, bytes) and isinstance(digest, bytes):
                yield Replaced(from_stored(output), text, digest)

    def forget(self, run: int, outputs: Iterable[str]) -> None:
        """Drops what was put back. Raises LedgerError."""
        with self._transaction() as connection:
            connection.executemany(
                "DELETE FROM history WHERE run = ? AND output = ?",
                [(run, to_stored(output)) for output in outputs],
            )
        self._bytes = None

    def _bound(self, connection: Connection, added_bytes: int) -> None:
        if self._bytes is None:
            (total,) = connection.execute("SELECT total(length(text)) FROM history").fetchone()
            self._bytes = int(total)
        else:
            self._bytes += added_bytes
        while self._bytes > self.max_bytes:
            oldest = connection.execute(
                "SELECT run, output, length(text) FROM history ORDER BY run, output LIMIT 500"
            ).fetchall()
            for run, output, size in oldest:
                if self._bytes <= self.max_bytes:
                    break
                connection.execute("DELETE FROM history WHERE run = ? AND output = ?", (run, output))
                self._bytes -= size
                self.dropped += 1
