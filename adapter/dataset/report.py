"""Findings as a CSV file: all failures of a run, or all flaws of texts."""

import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapter.dataset.records import Failure, on_one_line
from adapter.errors import WriteError

FORMULA_BEGINS = ("=", "+", "-", "@", "\t")  # which spreadsheets take for a formula, and may run


def write_report(path: Path, failures: Iterable[Failure]) -> None:
    """Writes the failures to the file at `path`, one per line. Raises WriteError."""
    with open_report(path) as write:
        for failure in failures:
            write(failure)


@contextlib.contextmanager
def open_report(path: Path) -> Iterator[Callable[[Failure], None]]:
    """Gives what writes one failure into the file at `path`. Raises WriteError."""
    with open_table(path, ("image", "output", "reason", "message", "time", "refused")) as write_line:

        def write(failure: Failure) -> None:
            when = datetime.fromtimestamp(failure.at, UTC).isoformat(timespec="seconds")
            write_line((failure.image, failure.output, failure.code, failure.message, when, failure.refused))

        yield write


@contextlib.contextmanager
def open_table(path: Path, header: Sequence[str]) -> Iterator[Callable[[Sequence[str]], None]]:
    """Gives what writes one line of a CSV file, whose cells nothing takes for formulas. Raises WriteError."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)

            def write(cells: Sequence[str]) -> None:
                writer.writerow([_cell(cell) for cell in cells])

            yield write
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0) from error


def _cell(text: str) -> str:
    """Gives a cell that is nothing but text for whatever opens the file."""
    shown = on_one_line(text)
    return f"'{shown}" if shown.startswith(FORMULA_BEGINS) else shown
