"""An index of a dataset's images and texts, for finding them quickly: SQLite, with its full-text search.

Nothing in it is known only there: it can be thrown away at any time, and is made again from the files and the
ledger. Bringing it up to date is left to `refresh`, and asking it to `lookup`.
"""

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from adapter.dataset.records import Failure, encodable
from adapter.dataset.review.sightings import ReadText, SeenItem
from adapter.dataset.stored_name import from_stored, to_stored
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
_DIGITS = re.compile(r"\d+", re.ASCII)
MAX_DIGITS = 20  # of a number in a name that sorts by its value


class Index:
    """The index in the file at `path`. One thread at a time may use it; it must be closed."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection

    @classmethod
    def open(cls, path: Path) -> "Index":
        """Opens the index, and makes it anew where it isn't there or isn't one of ours.

        Raises WriteError.
        """
        with _as_ours(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(sqlite3.DatabaseError):
                return cls._opened(path)
            # Broken, or of another version.
            for ending in ("", "-wal", "-shm", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{path}{ending}")
            return cls._opened(path)

    @classmethod
    def _opened(cls, path: Path) -> "Index":
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
            return cls(path, connection)

    def close(self) -> None:
        self.connection.close()

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
                    (to_stored(one.key), text.style, to_stored(text.path), text.size, text.mtime_ns, walk)
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
                (to_stored(item.key), *(text.style for text in item.texts)),
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
            connection.execute(
                "UPDATE items SET failure = NULL, message = NULL, refused = NULL WHERE failure IS NOT NULL"
            )
            connection.executemany(
                "UPDATE items SET failure = ?, message = ?, refused = ? WHERE key = ?",
                ((one.code, one.message, one.refused, to_stored(key)) for key, one in failures),
            )

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Gives the rows of a query. Raises WriteError."""
        with _as_ours(self.path):
            return self.connection.execute(query, parameters).fetchall()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Makes all that is written in the context count, or none of it. Raises WriteError."""
        with _as_ours(self.path):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")


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


@contextlib.contextmanager
def _as_ours(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        number = error.errno if isinstance(error, OSError) else None
        raise WriteError(f"The index {path.name} can't be used: {reason}", number or 0) from error
