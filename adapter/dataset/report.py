"""All failures of a run as a CSV file."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from adapter.dataset.records import Failure, on_one_line
from adapter.errors import WriteError

FORMULA_BEGINS = ("=", "+", "-", "@", "\t")  # which spreadsheets take for a formula, and may run


def write_report(path: Path, failures: Iterable[Failure]) -> None:
    """Writes the failures to the file at `path`, one per line. Raises WriteError."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "output", "reason", "message", "time"])
            for failure in failures:
                when = datetime.fromtimestamp(failure.at, UTC).isoformat(timespec="seconds")
                cells = [failure.image, failure.output, failure.code, failure.message, when]
                writer.writerow([_cell(cell) for cell in cells])
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0) from error


def _cell(text: str) -> str:
    """Gives a cell that is nothing but text for whatever opens the file."""
    shown = on_one_line(text)
    return f"'{shown}" if shown.startswith(FORMULA_BEGINS) else shown
