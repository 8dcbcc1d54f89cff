"""Writes rows into a file, one after the other: as lines of JSON, as one object, or as CSV."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import IO, Any

import orjson

Row = tuple[str, Any]  # an image's name, and what the file says about it


def write_lines(file: IO[bytes], rows: Iterable[Row]) -> None:
    """Writes a line of JSON for each row."""
    for _, content in rows:
        try:
            line = orjson.dumps(content)
        except TypeError:  # somebody's columns hold what Python's own reader takes, and orjson doesn't
            line = json.dumps(content).encode()
        file.write(line + b"\n")


def write_image_lines(file: IO[bytes], rows: Iterable[Row]) -> None:
    """Writes a line of JSON for each row, with the image's path before what is said about it.

    Python's reader gives paths back that aren't UTF-8.
    """
    for path, content in rows:
        file.write(json.dumps({"image_path": path} | content).encode() + b"\n")


def write_object(file: IO[bytes], rows: Iterable[Row]) -> None:
    """Writes one object, in ASCII: some of its readers go by the locale's encoding."""
    before = b"{\n"
    for name, content in rows:
        file.write(before + json.dumps(name).encode() + b": " + json.dumps(content).encode())
        before = b",\n"
    file.write(b"{}\n" if before == b"{\n" else b"\n}\n")


def write_csv(columns: Sequence[str], file: IO[bytes], rows: Iterable[Row]) -> None:
    """Writes a header and a record for each row, which has some of the columns."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(content for _, content in rows)
    text.detach()
