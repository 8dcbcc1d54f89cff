"""Collects the texts of datasets in one file: `metadata.jsonl` as Hugging Face's imagefolder, or Parquet.

It is made anew from the ledger and the texts at each end of a run, in a temporary file that then takes its
place: so it is whole, has each image once, and shows what people changed by hand.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import IO, Any

import orjson

from adapter.dataset import exports
from adapter.dataset.ledger import Ledger
from adapter.dataset.new_file import create_anew
from adapter.dataset.records import Entry, encodable
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
    if path.exists() and not exports.is_ours(path, ledger):
        raise InvalidRequestError(
            f"--output {path} is there already, and was not written by this command or was changed since: "
            "move it away"
        )


def export(path: Path, datasets: Sequence[Dataset], styles: Sequence[str], texts: Texts) -> int:
    """Writes the texts of `styles` of all datasets, and gives the number of images.

    Raises WriteError, LedgerError.
    """
    temporary = path.with_name(f".joycaption-{path.name}.tmp")
    by_ledger: dict[int, list[Dataset]] = {}
    for dataset in datasets:
        by_ledger.setdefault(id(dataset.ledger), []).append(dataset)
    count = 0

    def rows() -> Iterator[Row]:
        nonlocal count
        for sharing in by_ledger.values():
            for row in _rows(path, sharing, styles, texts):
                count += 1
                yield row

    write: Callable[[IO[bytes], Iterator[Row], Sequence[str]], None]
    write = _write_jsonl if path.suffix == ".jsonl" else _write_parquet
    try:
        with create_anew(str(temporary)) as file:
            write(file, rows(), styles)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0) from error
    finally:
        with contextlib.suppress(OSError):  # it has taken its place
            temporary.unlink()
    exports.note(path, datasets[0].ledger)
    return count


def _rows(path: Path, sharing: Sequence[Dataset], styles: Sequence[str], texts: Texts) -> Iterator[Row]:
    """Yields the rows of the datasets that share a ledger."""
    folder = str(path.absolute().parent)
    for image, entries in groupby(sharing[0].ledger.entries(), lambda entry: entry.image):
        dataset = next((dataset for dataset in sharing if dataset.has(image)), None)
        if dataset is None:
            continue
        found = {
            entry.style: _text(dataset, entry, texts)
            for entry in entries
            if entry.style in styles and _is_own(dataset, entry, texts)
        }
        given = {style: text for style, text in found.items() if text is not None}
        if not given:
            continue
        place = dataset.place(image)
        row = {
            "file_name": encodable(
                os.path.relpath(place, folder) if place.startswith(folder + os.sep) else place
            )
        }
        if styles[0] in given:
            row["text"] = given[styles[0]]
        yield row | {f"text_{style}": text for style, text in given.items() if style}


def _is_own(dataset: Dataset, entry: Entry, texts: Texts) -> bool:
    """Tells whether the text is the one that its image has: a ledger may have come with the dataset."""
    key = dataset.key(entry.image)
    return key is not None and dataset.name(texts.name(key, entry.style)) == entry.output


def _text(dataset: Dataset, entry: Entry, texts: Texts) -> str | None:
    try:
        return texts.read(dataset.place(entry.output), entry)
    except WriteError:
        return None


def _write_jsonl(file: IO[bytes], rows: Iterator[Row], styles: Sequence[str]) -> None:
    for row in rows:
        file.write(orjson.dumps(row) + b"\n")


def _write_parquet(file: IO[bytes], rows: Iterator[Row], styles: Sequence[str]) -> None:
    pyarrow, parquet = _parquet()
    names = ["file_name", "text", *(f"text_{style}" for style in styles if style)]
    schema = pyarrow.schema([(name, pyarrow.string()) for name in names])
    with parquet.ParquetWriter(file, schema) as writer:
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
