"""An index of a dataset's images and texts, for finding them quickly: SQLite, with its full-text search.

Opening its file is left to `index_file`, bringing it up to date to `refresh`, and asking it to `lookup`.
"""

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from adapter.dataset.records import Failure, encodable
from adapter.dataset.review.index_file import as_ours, connect, identity, is_broken, remove
from adapter.dataset.review.sightings import ReadText, SeenItem
from adapter.dataset.stored_name import from_stored, to_stored

_DIGITS = re.compile(r"\d+", re.ASCII)
END_FAILURE = "UPDATE items SET failure = NULL, message = NULL, refused = NULL"
MAX_DIGITS = 20  # of a number in a name that sorts by its value


class Index:
    """The index in the file at `path`. One thread at a time may use it; it must be closed.

    Where it turns out to be broken it is removed, so that it is made anew when it is opened next.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._identity = identity(path)

    @classmethod
    def open(cls, path: Path) -> "Index":
        """Opens the index, and makes it anew where it isn't there or isn't one of ours.

        Raises WriteError.
        """
        with as_ours(path):
            return cls(path, connect(path))

    def close(self) -> None:
        self.connection.close()

    def is_in_place(self) -> bool:
        """Tells whether it is still the one at its path: somebody may have removed it, or made it anew."""
        return self._identity is not None and identity(self.path) == self._identity

    def next_walk(self) -> int:
        """Gives the number of a new walk over the folder, which is to tell what is still there."""
        (last,) = self.rows("SELECT coalesce(max(seen), 0) FROM items")[0]
        return int(last) + 1

    def take(self, walk: int, items: Iterable[SeenItem]) -> None:
        """Notes what a walk saw. Texts whose files have changed are to be read. Raises WriteError."""
        items = list(items)
        with self.transaction() as connection:
            connection.executemany(
                "INSERT INTO items (key, lower_name, place, size, mtime_ns, seen) "
                "VALUES (:key, :name, :place, :size, :mtime_ns, :walk) ON CONFLICT (key) DO UPDATE "
                "SET size = excluded.size, mtime_ns = excluded.mtime_ns, seen = excluded.seen",
                [_row(one, walk) for one in items],
            )
            connection.executemany(
                "INSERT INTO texts (item, style, path, size, mtime_ns, seen) "
                "VALUES ((SELECT id FROM items WHERE key = ?),?,?,?,?,?) "
                "ON CONFLICT (item, style) DO UPDATE SET path = excluded.path, seen = excluded.seen, "
                "is_stale = is_stale OR path IS NOT excluded.path OR size IS NOT excluded.size "
                "OR mtime_ns IS NOT excluded.mtime_ns",
                [
                    (*map(to_stored, (one.key, text.style, text.path)), text.size, text.mtime_ns, walk)
                    for one in items
                    for text in one.texts
                ],
            )

    def end_walk(self, walk: int) -> None:
        """Drops what a whole walk didn't see. Raises WriteError."""
        with self.transaction() as connection:
            connection.execute(
                "DELETE FROM texts WHERE seen < ? OR item IN (SELECT id FROM items WHERE seen < ?)",
                (walk, walk),
            )
            connection.execute("DELETE FROM items WHERE seen < ?", (walk,))

    def see(self, item: SeenItem) -> None:
        """Notes one image with its texts as they are, whatever a walk saw. Raises WriteError."""
        (walk,) = self.rows("SELECT coalesce(max(seen), 1) FROM items")[0]
        self.take(walk, [item])
        styles = ",".join("?" * len(item.texts))
        with self.transaction() as connection:
            is_other = f"style NOT IN ({styles})"
            connection.execute(
                f"DELETE FROM texts WHERE item = (SELECT id FROM items WHERE key = ?) AND {is_other}",  # noqa: S608
                (to_stored(item.key), *(to_stored(text.style) for text in item.texts)),
            )

    def stale(self, limit: int) -> list[str]:
        """Gives the paths of up to so many texts that are to be read."""
        rows = self.rows("SELECT DISTINCT path FROM texts WHERE is_stale LIMIT ?", (limit,))
        return [from_stored(path) for (path,) in rows]

    def put(self, texts: Sequence[ReadText]) -> None:
        """Notes what was read. Raises WriteError."""
        columns = [field.name for field in fields(ReadText) if field.name != "path"]
        changed = ", ".join(f"{name} = :{name}" for name in columns)
        with self.transaction() as connection:
            connection.executemany(
                f"UPDATE texts SET {changed}, is_stale = 0 WHERE path = :path",  # noqa: S608
                [asdict(one) | {"path": to_stored(one.path)} for one in texts],
            )

    def put_failures(self, failures: Iterable[tuple[str, Failure]]) -> None:
        """Notes which images failed, by their keys, in place of what was known of that. Raises WriteError."""
        with self.transaction() as connection:
            connection.execute(f"{END_FAILURE} WHERE failure IS NOT NULL")
            connection.executemany(
                "UPDATE items SET failure = ?, message = ?, refused = ? WHERE key = ?",
                ((one.code, one.message, one.refused, to_stored(key)) for key, one in failures),
            )

    def end_failures(self, keys: Iterable[str]) -> None:
        """Notes that images have a text now. Raises WriteError."""
        with self.transaction() as connection:
            connection.executemany(
                f"{END_FAILURE} WHERE key = ?",
                [(to_stored(key),) for key in keys],
            )

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Gives the rows of a query. Raises WriteError."""
        with self._guarded():
            return self.connection.execute(query, parameters).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Makes all that is written in the context count, or none of it. Raises WriteError."""
        with self._guarded():
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            finally:
                if self.connection.in_transaction:  # not committed, nor ended by a full disk
                    self.connection.execute("ROLLBACK")

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        with as_ours(self.path):
            try:
                yield
            except sqlite3.DatabaseError as error:
                if is_broken(error) and self.is_in_place():
                    remove(self.path)
                raise


def _row(item: SeenItem, walk: int) -> dict[str, object]:
    name = encodable(item.key).casefold()
    return {
        "key": to_stored(item.key),
        "name": name,
        "place": _place(name),
        "size": item.size,
        "mtime_ns": item.mtime_ns,
        "walk": walk,
    }


def _place(name: str) -> str:
    """Gives what sorts names as people do: `2` before `10`."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(MAX_DIGITS), name)
