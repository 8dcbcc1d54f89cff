"""What was found wrong with captions, kept in the ledger: flaws, attempts, and what was refused."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from sqlite3 import Connection
from typing import Any

from adapter.caption.flaws import Kind
from adapter.dataset.records import Entry
from adapter.dataset.stored_name import from_stored, is_stored, to_stored
from adapter.errors import BadCaptionError

LOOKUP_CHUNK = 500  # SQLite takes at most 999 parameters in its older versions
MAX_REFUSED = 2**31  # a ledger may hold any number
SEPARATOR = " "


@dataclass(frozen=True)
class Verdict:
    """What was found about one text that isn't plainly good.

    `attempts` counts the answers; with a seed, also those of earlier runs that were refused. `flaws` names
    the kinds of what is wrong with the text as it is, or with the one that was `refused`; None where none
    was.
    """

    output: str
    attempts: int
    flaws: tuple[str, ...] = ()
    refused: str | None = None


class Verdicts:
    """The verdicts in one ledger, which gives its `rows`. Texts that are plainly good have none."""

    def __init__(self, rows: Callable[[str, Sequence[Any]], Iterator[tuple[Any, ...]]]) -> None:
        self._rows = rows

    @cached_property
    def _are_kept(self) -> bool:
        """Whether there is a table of them: a ledger that is only read may be older."""
        query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'verdicts'"
        return bool(list(self._rows(query, ())))

    def add(self, connection: Connection, entries: Iterable[Entry], verdicts: Iterable[Verdict]) -> None:
        """Keeps the verdicts, and drops those of texts that `entries` replace, as a part of a transaction."""
        connection.executemany(
            "DELETE FROM verdicts WHERE output = ?", [(to_stored(entry.output),) for entry in entries]
        )
        connection.executemany(
            "INSERT OR REPLACE INTO verdicts VALUES (?,?,?,?)",
            [
                (to_stored(one.output), one.attempts, SEPARATOR.join(one.flaws), one.refused)
                for one in verdicts
            ],
        )

    def refused_attempts(self, outputs: Sequence[str]) -> dict[str, int]:
        """Gives, for those of the outputs whose captions were refused, how many were. Raises LedgerError."""
        found: dict[str, int] = {}
        if not self._are_kept:
            return found
        for start in range(0, len(outputs), LOOKUP_CHUNK):
            some = [to_stored(output) for output in outputs[start : start + LOOKUP_CHUNK]]
            marks = ",".join("?" * len(some))
            query = f"SELECT output, attempts FROM verdicts WHERE refused IS NOT NULL AND output IN ({marks})"  # noqa: S608
            for output, attempts in self._rows(query, some):
                if is_stored(output) and isinstance(attempts, int) and 0 < attempts < MAX_REFUSED:
                    found[from_stored(output)] = attempts
        return found

    def all(self) -> Iterator[Verdict]:
        """Gives all verdicts. Raises LedgerError."""
        for output, attempts, flaws, refused in self._rows(
            "SELECT output, attempts, flaws, refused FROM verdicts", ()
        ):
            if is_stored(output) and isinstance(attempts, int) and isinstance(flaws, str):
                kinds = tuple(flaws.split(SEPARATOR)) if flaws else ()
                yield Verdict(from_stored(output), attempts, kinds, refused)

    def refused_column(self, table: str) -> str:
        """Gives what selects the caption for which a failure in `table` stands, where one was refused."""
        if not self._are_kept:
            return "NULL"
        return (
            f"CASE {table}.code WHEN '{BadCaptionError.code}' THEN "  # noqa: S608
            f"(SELECT refused FROM verdicts WHERE verdicts.output = {table}.output) END"
        )

    def kinds(self) -> Counter[str]:
        """Counts the flaws of texts that were written all the same, by kind. Raises LedgerError."""
        if not self._are_kept:
            return Counter()
        query = "SELECT flaws, count(*) FROM verdicts WHERE refused IS NULL GROUP BY flaws"
        found: Counter[str] = Counter()
        for flaws, count in self._rows(query, ()):
            for kind in flaws.split(SEPARATOR) if isinstance(flaws, str) else ():
                if kind in set(Kind):  # a ledger may hold anything
                    found[kind] += count
        return found
