"""Collects the texts of datasets in one file: `metadata.jsonl` as Hugging Face's imagefolder, or Parquet.

It is made anew from the ledger and the texts at each end of a run, in a temporary file that then takes its
place: so it is whole, has each image once, and shows what people changed by hand.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from adapter.dataset.ledger import Ledger
from adapter.dataset.records import Entry, displayed
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.text_store import Texts
from adapter.errors import InvalidRequestError, WriteError

MAX_PARQUET_ROWS = 10_000  # in memory at one time

Row = dict[str, str]


def check_output(path: Path, ledger: Ledger) -> None:
    """Raises InvalidRequestError where `path` can't be an output, or holds what isn't ours to replace."""
    if path.suffix not in (".jsonl", ".parquet"):
        raise InvalidRequestError(f"--output {path} must end in .jsonl or .parquet")
    if path.suffix == ".parquet":
        _parquet()
    if not path.parent.is_dir():
        raise InvalidRequestError(f"--output {path}: there is no folder {path.parent}")
    if path.exists() and ledger.exported(str(path.absolute())) != _identity(path):
        raise InvalidRequestError(
            f"--output {path} is there already, and was not written by this command or was changed since: "
            "move it away"
        )


def export(path: Path, datasets: Sequence[Dataset], styles: Sequence[str], texts: Texts) -> int:
    """Writes the texts of `styles` of all datasets, and gives the number of images.

    Raises WriteError, LedgerError.
    """
    temporary = path.with_name(f".joycaption-{path.name}.tmp")
    by_ledger = {id(dataset.ledger): dataset for dataset in datasets}  # several may share one
    count = 0

    def rows() -> Iterator[Row]:
        nonlocal count
        for dataset in by_ledger.values():
            for row in _rows(path, dataset, styles, texts):
                count += 1
                yield row

    write: Callable[[Path, Iterator[Row], Sequence[str]], None]
    write = _write_jsonl if path.suffix == ".jsonl" else _write_parquet
    try:
        write(temporary, rows(), styles)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0) from error
    finally:
        with contextlib.suppress(OSError):  # it has taken its place
            temporary.unlink()
    datasets[0].ledger.record_export(str(path.absolute()), _identity(path))
    return count


def _rows(path: Path, dataset: Dataset, styles: Sequence[str], texts: Texts) -> Iterator[Row]:
    folder = str(path.absolute().parent)
    for image, entries in groupby(dataset.ledger.entries(), lambda entry: entry.image):
        found = {entry.style: _text(dataset, entry, texts) for entry in entries if entry.style in styles}
        given = {style: text for style, text in found.items() if text is not None}
        if not given or not dataset.input.has(image):
            continue
        place = dataset.place(image)
        row = {
            "file_name": displayed(
                os.path.relpath(place, folder) if place.startswith(folder + os.sep) else place
            )
        }
        if styles[0] in given:
            row["text"] = given[styles[0]]
        yield row | {f"text_{style}": text for style, text in given.items() if style}


def _text(dataset: Dataset, entry: Entry, texts: Texts) -> str | None:
    try:
        return texts.read(dataset.place(entry.output), entry)
    except WriteError:
        return None


def _write_jsonl(path: Path, rows: Iterator[Row], styles: Sequence[str]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row) + b"\n")


def _write_parquet(path: Path, rows: Iterator[Row], styles: Sequence[str]) -> None:
    pyarrow, parquet = _parquet()
    names = ["file_name", "text", *(f"text_{style}" for style in styles if style)]
    schema = pyarrow.schema([(name, pyarrow.string()) for name in names])
    with parquet.ParquetWriter(str(path), schema) as writer:
        chunk: list[Row] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == MAX_PARQUET_ROWS:
                writer.write_table(pyarrow.Table.from_pylist(chunk, schema=schema))
                chunk = []
        writer.write_table(pyarrow.Table.from_pylist(chunk, schema=schema))


def _parquet() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise InvalidRequestError(
            "--output *.parquet needs pyarrow: install it with `.venv/bin/pip install pyarrow`"
        ) from error
    return pyarrow, pyarrow.parquet


def _identity(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}:{status.st_mtime_ns}"
