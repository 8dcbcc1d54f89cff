"""The rows of a metadata file as imagefolder has it: JSON Lines, or CSV with a header.

Such a file may have come with its dataset. So each row is limited and looked at before it counts, and memory
doesn't depend on their number.
"""

import contextlib
import csv
import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from adapter.dataset.dataset_layout import FILE_NAME
from adapter.dataset.records import on_one_line
from adapter.errors import InvalidRequestError

ENDINGS = (".jsonl", ".csv")
MAX_ROW_BYTES = 2**20  # a caption of 2048 tokens has some 10 kB
BOM = "\ufeff"  # some programs begin UTF-8 so


@dataclass(frozen=True)
class MetadataRow:
    """An image by its `key` below the file's folder, with all `columns` as they are.

    `text` is None where there is nothing but blanks.
    """

    key: str
    columns: dict[str, Any]
    text: str | None


@dataclass(frozen=True)
class MetadataFile:
    """The metadata file at the absolute `path`, with texts in the column `text_column`.

    Where that is None its texts don't count.
    """

    path: str
    text_column: str | None

    def rows(self) -> Iterator[MetadataRow]:
        """Reads the rows in their order, anew by each call. Raises InvalidRequestError, naming the line."""
        with self._opened() as file:
            lines = _Lines(file)
            try:
                for columns in self._all_columns(lines):
                    yield MetadataRow(_key(columns), columns, self._text(columns))
            except (ValueError, csv.Error, RecursionError) as error:
                told = on_one_line(str(error))
                raise InvalidRequestError(f"{self.path}, line {lines.number}: {told}") from error

    def columns(self) -> list[str]:
        """Gives the names of a CSV file's columns, which `rows` has found to be sound.

        Raises InvalidRequestError.
        """
        with self._opened() as file:
            return next(csv.reader(_Lines(file), strict=True), [])

    def _text(self, columns: dict[str, Any]) -> str | None:
        """Gives a row's text. Raises ValueError where there is something else."""
        text = None if self.text_column is None else columns.get(self.text_column)
        if text is None:
            return None
        if not isinstance(text, str) or not _is_unicode(text):
            raise ValueError(f"{self.text_column} is no text")
        return text if text.strip() else None

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        """Opens the file while the context lasts: a regular one, because it is read more than once."""
        try:
            # Without O_NONBLOCK, opening a pipe would wait for whoever writes to it.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise InvalidRequestError(f"{self.path} can't be read: it is no regular file")
                yield file
        except OSError as error:
            raise InvalidRequestError(f"{self.path} can't be read: {error.strerror}") from error

    def _all_columns(self, lines: "_Lines") -> Iterator[dict[str, Any]]:
        if not self.path.endswith(".csv"):
            yield from _json_rows(lines)
            return
        reader = csv.reader(lines, strict=True)
        header = next(reader, [])
        if len(set(header)) < len(header):
            raise ValueError("the header names a column twice")
        for values in reader:
            lines.end_row()
            if len(values) > len(header):
                raise ValueError(f"it has {len(values)} values for {len(header)} columns")
            if values:
                yield dict(zip(header, values + [""] * (len(header) - len(values)), strict=True))


class _Lines:
    """The lines of a file as text, the current one's `number`, and a limit to what is read for one row."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._row_bytes = 0
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_ROW_BYTES + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._row_bytes += len(line)
        if self._row_bytes > MAX_ROW_BYTES:
            raise ValueError(f"the row has more than {MAX_ROW_BYTES} bytes")
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise ValueError("it isn't UTF-8") from error
        return text.removeprefix(BOM) if self.number == 1 else text

    def end_row(self) -> None:
        """Begins to count for another row."""
        self._row_bytes = 0


def _json_rows(lines: _Lines) -> Iterator[dict[str, Any]]:
    for line in lines:
        lines.end_row()
        if line.strip():
            try:
                row = json.loads(
                    line, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_float
                )
            except json.JSONDecodeError as error:
                raise ValueError(f"it isn't JSON: {error.msg}") from error
            if not isinstance(row, dict):
                raise ValueError("it is no JSON object")
            yield row


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Gives an object whose names are all different: of two values one would be lost."""
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("it has a name twice")
    return row


def _float(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _no_number(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON's")


def _key(columns: dict[str, Any]) -> str:
    """Gives the key of the row's image. Raises ValueError where it isn't the name of a file below."""
    name = columns.get(FILE_NAME)
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"{FILE_NAME} must name a file")
    key = os.path.normpath(name)
    if os.path.isabs(key) or ".." in name.split(os.sep) or "\0" in name or key == os.curdir:
        raise ValueError(f"{FILE_NAME} must name a file in the folder or below, not {name}")
    if not _is_unicode(name):
        raise ValueError(f"{FILE_NAME} isn't Unicode")
    return key


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
