"""Collects the texts of datasets in one file, in the layout that is asked for.

It is made anew from the ledger and the texts at each end of a run, in a temporary file that then takes its
place: so it is whole, has each image once, and shows what people changed by hand.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

from adapter.dataset import exports
from adapter.dataset.collecting import collected
from adapter.dataset.dataset_layout import FILE_NAME, DatasetLayout
from adapter.dataset.inputs.metadata_list import is_metadata, listed_by
from adapter.dataset.ledger import Ledger
from adapter.dataset.new_file import create_anew
from adapter.dataset.row_writers import Row, write_csv, write_image_lines, write_lines, write_object
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.text_store import Texts
from adapter.errors import InvalidRequestError, WriteError

MAX_PARQUET_ROWS = 10_000  # in memory at one time

PLAIN = DatasetLayout()
MOVE_AWAY = "is there already, and was not written by this command or was changed since: move it away"


def check_output(path: Path, ledger: Ledger, layout: DatasetLayout = PLAIN) -> None:
    """Raises InvalidRequestError where `path` can't be an output, or holds what isn't ours to replace."""
    layout.check(path, 1)
    if path.suffix == ".parquet":
        _parquet()
    if not path.parent.is_dir():
        raise InvalidRequestError(f"--output {path}: there is no folder {path.parent}")
    if exports.is_there(path) and not exports.is_ours(path, ledger):
        hint = ", and caption it by its name to keep its columns" if _may_be_metadata(path, layout) else ""
        raise InvalidRequestError(f"--output {path} {MOVE_AWAY}{hint}")


def _may_be_metadata(path: Path, layout: DatasetLayout) -> bool:
    return layout.has_columns and is_metadata(str(path))


def export(
    path: Path,
    datasets: Sequence[Dataset],
    styles: Sequence[str],
    texts: Texts,
    layout: DatasetLayout = PLAIN,
) -> int:
    """Writes the texts of `styles` of all datasets, and gives the number of images.

    Raises WriteError, LedgerError: also where the file was written, and there are images that it can't name.
    """
    folder = os.path.dirname(os.path.abspath(path))
    count = unnamed = 0

    def rows() -> Iterator[Row]:
        nonlocal count, unnamed
        for one in collected(datasets, styles, texts):
            name = layout.name(folder, one.place)
            if name is None:
                unnamed += layout.has_columns or one.dataset.input.is_list
                continue
            if one.columns is not None and layout.has_columns:
                content = layout.filled(one.columns, one.given.get(styles[0]))
                if one.dataset.input.root != folder:
                    content[FILE_NAME] = name
            else:
                content = layout.content(name, one.given, styles)
            if content is not None:
                count += bool(one.given)
                yield name, content

    write: Callable[[IO[bytes], Iterator[Row]], None]
    match path.suffix:
        case ".jsonl":
            write = write_lines if layout.has_columns else write_image_lines
        case ".json":
            write = write_object
        case ".csv":
            listed = listed_by(datasets[0].input)
            own = [] if listed is None else [*listed.file.columns(), layout.text_column]
            write = partial(write_csv, list(dict.fromkeys(own)) or layout.columns(styles))
        case _:
            write = partial(_write_parquet, layout.columns(styles))
    replace_whole(path, lambda file: write(file, rows()), datasets[0].ledger)
    if unnamed:
        raise WriteError(
            f"{path} is without {unnamed} images: --format {layout.format} can't name them from there"
        )
    return count


def replace_whole(path: Path, write: Callable[[IO[bytes]], None], ledger: Ledger) -> None:
    """Puts what `write` writes into the place of the file at `path`, whole or not at all.

    What is there stays where it isn't as a run wrote it. Raises WriteError, LedgerError.
    """
    temporary = path.with_name(f".joycaption-{path.name}.tmp")
    try:
        with create_anew(str(temporary)) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # Somebody may have put a file of his own there since the run began.
        if exports.is_there(path) and not path.is_dir() and not exports.is_ours(path, ledger):
            raise WriteError(f"{path} {MOVE_AWAY}")
        exports.announce(path, temporary, ledger)
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0) from error
    finally:
        with contextlib.suppress(OSError):  # it has taken its place
            temporary.unlink()
    exports.note(path, ledger)


def _write_parquet(columns: Sequence[str], file: IO[bytes], rows: Iterable[Row]) -> None:
    pyarrow, parquet = _parquet()
    schema = pyarrow.schema([(name, pyarrow.string()) for name in columns])
    with parquet.ParquetWriter(file, schema) as writer:
        chunk: list[Any] = []
        for _, content in rows:
            chunk.append(content)
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
