"""The output of one shard: rows that come in, parts that make them safe, and the whole file at the end.

Parts lie in `_parts/STEM/` below the folder of the outputs, where nothing takes them for outputs. The output
takes its place whole; then its parts are removed.
"""

import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow
from pyarrow import parquet

from adapter.dataset.shards.row_layout import About, Layout, Row, about_of, to_file
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.store import FOREIGN_ERRORS, Place, reason_of
from adapter.errors import StoreError

PARTS = "_parts"


@dataclass(frozen=True)
class Kept:
    """A file of ours that is there: an output, or a part of one. `about` is None where it isn't ours."""

    place: Place
    about: About | None
    table: Any = field(default=None, repr=False)


def read_kept(place: Place, *, rows: bool) -> Kept:
    """Reads what a file says of itself, and its rows if wanted. Raises StoreError."""
    with place.random_access() as file:
        try:
            opened = parquet.ParquetFile(file)
            about = about_of(opened.schema_arrow.metadata)
            table = opened.read() if rows and about is not None else None
            if table is not None:
                table.validate(full=True)  # or its texts may be no UTF-8
            return Kept(place, about, table)
        except FOREIGN_ERRORS as error:
            raise StoreError(f"{place.shown} is damaged: {reason_of(error)}") from error


class ShardOutput:
    """The output of `shard` in the folder `folder`. For several threads; `write_part` and `finish` for one
    at a time.

    It is whole when all rows that were begun have come, and all were begun.
    """

    def __init__(self, shard: Shard, folder: Place, layout: Layout, about: About) -> None:
        self.shard = shard
        self.place = folder.below(shard.output_name)
        self._folder = folder
        self._parts_folder = folder.below(PARTS, shard.stem)
        self._layout = layout
        self._about = about
        self._lock = threading.Lock()
        self._tables: list[Any] = []  # what is safe already, the oldest first
        self._waiting: list[Row] = []  # what isn't
        self._models = set(about.models)
        self._under_way = 0
        self._incomplete: str | None = None
        self.others = 0

    # --- What is there --------------------------------------------------------------------------------

    def found(self) -> Kept | None:
        """Reads what the output says of itself; None where there is none. Raises StoreError."""
        return None if self.place.fingerprint() is None else read_kept(self.place, rows=False)

    def parts(self) -> list[Kept]:
        """Reads the parts, the oldest first. Raises StoreError."""
        return [read_kept(place, rows=True) for place in self._parts_folder.files()]

    def keep(self, kept: Kept) -> None:
        """Takes the rows of a file for rows of this output. Raises StoreError where they don't fit."""
        table = kept.table if kept.table is not None else read_kept(kept.place, rows=True).table
        try:
            self._tables.append(table.select(self._layout.schema.names).cast(self._layout.schema))
        except (KeyError, pyarrow.ArrowException) as error:
            raise StoreError(f"{kept.place.shown} has not the columns that it should have") from error
        self._models |= set(kept.about.models if kept.about else ())

    def known(self) -> dict[str, Row]:
        """Gives the rows that are kept, by key. Those without a failure have nothing but their key."""
        found: dict[str, Row] = {}
        for row in self._rows(self._tables):
            found[row["key"]] = row if self._layout.lacking(row) else {}
        return found

    # --- Rows in --------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Notes that a row is being made."""
        with self._lock:
            self._under_way += 1

    def take(self, row: Row, models: set[str]) -> None:
        """Takes a row that was begun."""
        with self._lock:
            self._waiting.append(row)
            self._models |= models
            self._under_way -= 1

    def add(self, row: Row) -> None:
        """Takes a row that nobody began."""
        with self._lock:
            self._waiting.append(row)

    def end(self, incomplete: str = "") -> None:
        """Notes that all rows were begun; `incomplete` says why there may be more in the shard."""
        with self._lock:
            self._incomplete = incomplete

    @property
    def waiting(self) -> int:
        """The number of captions that aren't safe yet."""
        with self._lock:
            return sum(len(self._layout.recipes) - len(self._layout.lacking(row)) for row in self._waiting)

    @property
    def is_whole(self) -> bool:
        """Whether all of its rows are there."""
        with self._lock:
            return self._incomplete is not None and not self._under_way

    # --- Files out ------------------------------------------------------------------------------------

    def write_part(self) -> None:
        """Makes the rows that came since the last part safe. Raises StoreError, and then keeps them."""
        with self._lock:
            rows = list(self._waiting)
        if not rows:
            return
        table = self._layout.table(rows)
        # By name they are in the order of time, and two runs never write one file.
        name = f"{time.time_ns():020}-{secrets.token_hex(4)}.parquet"
        self._parts_folder.below(name).write(to_file(table, self._told(table)))
        with self._lock:
            del self._waiting[: len(rows)]
            self._tables.append(table)

    def finish(self) -> About:
        """Puts the whole output into its place, and gives what it says of itself. Raises StoreError."""
        with self._lock:
            tables = [*self._tables, self._layout.table(self._waiting)]
        table = self._layout.table(self._rows(tables))
        about = replace(self._told(table), incomplete=self._incomplete or "")
        self.place.write(to_file(table, about))
        with self._lock:
            self._tables, self._waiting = [table], []
        self.discard_parts()
        return about

    def discard_parts(self) -> None:
        """Removes the parts: the output has their rows, or they were made with other settings.

        Raises StoreError.
        """
        parts = self._parts_folder.files()
        for part in parts:
            part.remove()
        if parts or self._folder.is_local:
            self._parts_folder.remove_folder()
        if self._folder.is_local:  # in a store, parts of other shards could come into it meanwhile
            self._folder.below(PARTS).remove_folder()

    def _rows(self, tables: list[Any]) -> Iterator[Row]:
        """Gives each key's row: the last one, but none with a failure in the place of one without."""
        rows: dict[str, Row] = {}
        for table in tables:
            for batch in table.to_batches(max_chunksize=1000):
                for row in batch.to_pylist():
                    before = rows.get(row["key"])
                    if before is None or len(self._layout.lacking(row)) <= len(self._layout.lacking(before)):
                        rows[row["key"]] = row
        yield from rows.values()

    def _told(self, table: Any) -> About:
        failed = sum(bool(self._layout.lacking(row)) for row in table.to_pylist())
        return replace(self._about, models=tuple(sorted(self._models)), rows=table.num_rows, failed=failed)
