"""All failures of a run as a CSV file."""

import csv
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from adapter.dataset.records import Failure, displayed
from adapter.errors import WriteError


def write_report(path: Path, failures: Iterable[Failure]) -> None:
    """Writes the failures to the file at `path`, one per line. Raises WriteError."""
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "output", "reason", "message", "time"])
            for failure in failures:
                when = datetime.fromtimestamp(failure.at, UTC).isoformat(timespec="seconds")
                names = [displayed(failure.image), displayed(failure.output)]
                writer.writerow([*names, failure.code, failure.message, when])
    except OSError as error:
        raise WriteError(f"{path} can't be written: {error.strerror}", error.errno or 0) from error
