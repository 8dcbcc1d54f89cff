"""All texts of a dataset in one file: `metadata.jsonl` in Hugging Face's imagefolder form, or Parquet.

Made anew from the ledger and the sidecars at each end of a run, in a temporary file that then takes its
place: so it is whole, has each image once, and shows what people changed by hand.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from adapter.dataset import sidecar
from adapter.dataset.ledger import Ledger
from adapter.dataset.records import Entry, displayed
from adapter.errors import InvalidRequestError

PARQUET_ROWS = 10_000  # in memory at one time

Row = dict[str, str]


def check_output(path: Path, ledger: Ledger) -> None:
    """Raises InvalidRequestError when `path` can't be an output, or holds what isn't ours to replace."""
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


def export(
    path: Path, datasets: Sequence[tuple[Ledger, str]], styles: Sequence[str], *, sidecars: bool
) -> int:
    """Writes the texts of `styles` of all ledgers, each with its root, and gives the number of images.

    Raises sidecar.WriteError, LedgerError.
    """
    temporary = path.with_name(f".joycaption-{path.name}.tmp")
    count = 0

    def rows() -> Iterator[Row]:
        nonlocal count
        for ledger, root in datasets:
            for row in _rows(path, ledger, styles, root, sidecars):
                count += 1
                yield row

    write: Callable[[Path, Iterator[Row], Sequence[str]], None]
    write = _write_jsonl if path.suffix == ".jsonl" else _write_parquet
    try:
        write(temporary, rows(), styles)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise sidecar.WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0) from error
    datasets[0][0].record_export(str(path.absolute()), _identity(path))
    return count


def _rows(path: Path, ledger: Ledger, styles: Sequence[str], root: str, sidecars: bool) -> Iterator[Row]:
    folder = str(path.absolute().parent)
    for image, entries in groupby(ledger.entries(), lambda entry: entry.image):
        absolute = os.path.join(root, image)
        texts = {entry.style: _text(entry, root, sidecars) for entry in entries if entry.style in styles}
        given = {style: text for style, text in texts.items() if text is not None}
        if not given or not os.path.exists(absolute):
            continue
        name = os.path.relpath(absolute, folder) if absolute.startswith(folder + os.sep) else absolute
        row = {"file_name": displayed(name)}
        if styles[0] in given:
            row["text"] = given[styles[0]]
        yield row | {f"text_{style}": text for style, text in given.items() if style}


def _text(entry: Entry, root: str, sidecars: bool) -> str | None:
    if not sidecars:
        return entry.text
    try:
        content = sidecar.read(os.path.join(root, entry.output))
    except sidecar.WriteError:
        return None
    return None if content is None else content.decode("utf-8", "replace").strip()


def _write_jsonl(path: Path, rows: Iterator[Row], styles: Sequence[str]) -> None:
    with path.open("wb") as file:
        for row in rows:
            file.write(orjson.dumps(row) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _write_parquet(path: Path, rows: Iterator[Row], styles: Sequence[str]) -> None:
    pyarrow, parquet = _parquet()
    names = ["file_name", "text", *(f"text_{style}" for style in styles if style)]
    schema = pyarrow.schema([(name, pyarrow.string()) for name in names])
    with parquet.ParquetWriter(str(path), schema) as writer:
        chunk: list[Row] = []
        for row in rows:
            chunk.append(row)
            if len(chunk) == PARQUET_ROWS:
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
