"""Rows as they stand in files. The files of each layout are tested with `metadata_file`."""

import csv
import io
import json

from adapter.dataset.row_writers import write_csv, write_lines, write_object


def test_lines_hold_what_somebody_had_in_columns() -> None:
    """Large numbers and broken characters come back as they were."""
    columns = {"n": 12345678901234567890123, "s": "\ud800", "t": "é"}
    file = io.BytesIO()
    write_lines(file, [("a", columns), ("b", {"t": "é"})])
    first, second = file.getvalue().splitlines()
    assert json.loads(first) == columns
    assert second.decode() == '{"t":"é"}'


def test_an_object_is_whole_and_ascii() -> None:
    """Also an empty one."""
    for rows in ([], [("é", ["a"])], [("a", 1), ("b", None)]):
        file = io.BytesIO()
        write_object(file, rows)
        assert json.loads(file.getvalue().decode("ascii")) == dict(rows)


def test_csv_gives_back_what_was_written() -> None:
    """Quotation marks, commas and line ends among it; the file stays open."""
    texts = ['a "b"', "a,b", "a\nb", "a\r\nb", " a ", "", "é"]
    file = io.BytesIO()
    write_csv(["t", "u"], file, [(text, {"t": text}) for text in texts])
    read = csv.DictReader(io.StringIO(file.getvalue().decode(), newline=""))
    assert [row["t"] for row in read] == texts
