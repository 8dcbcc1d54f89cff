"""Metadata files as people have them, and as nobody should."""

import json
import os
from pathlib import Path

import pytest

from adapter.dataset.inputs.metadata_rows import MAX_ROW_BYTES, MetadataFile, MetadataRow
from adapter.errors import InvalidRequestError


def rows(path: Path, content: bytes, column: str | None = "text") -> list[MetadataRow]:
    """Gives the rows of a file with that content."""
    path.write_bytes(content)
    return list(MetadataFile(str(path), column).rows())


def test_rows_of_json_are_read_as_they_are(tmp_path: Path) -> None:
    """Empty lines and a byte-order mark don't count, and blanks are no text."""
    content = (
        b'\xef\xbb\xbf{"file_name": "a.png", "text": "a cat", '
        b'"n": 12345678901234567890123, "l": [1.5, null]}\n'
        b'\n{"id": 1, "file_name": "./b//c.png", "text": " "}\r\n{"file_name": "d.png", "text": null}'
    )
    assert rows(tmp_path / "m.jsonl", content) == [
        MetadataRow(
            "a.png",
            {"file_name": "a.png", "text": "a cat", "n": 12345678901234567890123, "l": [1.5, None]},
            "a cat",
        ),
        MetadataRow("b/c.png", {"id": 1, "file_name": "./b//c.png", "text": " "}, None),
        MetadataRow("d.png", {"file_name": "d.png", "text": None}, None),
    ]


def test_rows_of_csv_are_read_as_they_are(tmp_path: Path) -> None:
    """Records go over several lines, and short ones are filled up."""
    path = tmp_path / "m.csv"
    content = b'\xef\xbb\xbfid,file_name,text\r\n1,a.png,"a ""cat"",\r\nand more"\r\n\r\n2,b.png\r\n'
    assert rows(path, content) == [
        MetadataRow(
            "a.png",
            {"id": "1", "file_name": "a.png", "text": 'a "cat",\r\nand more'},
            'a "cat",\r\nand more',
        ),
        MetadataRow("b.png", {"id": "2", "file_name": "b.png", "text": ""}, None),
    ]
    assert MetadataFile(str(path), "text").columns() == ["id", "file_name", "text"]


def test_texts_of_a_column_that_does_not_count_may_be_anything(tmp_path: Path) -> None:
    """Where texts are written beside the images the file only names those."""
    (row,) = rows(tmp_path / "m.jsonl", b'{"file_name": "a.png", "text": 5}', None)
    assert row.text is None


GOOD = b'{"file_name": "good.png"}\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "it isn't JSON"),
        (b'{"file_name": "a.png"} x', "it isn't JSON"),
        (b"[]", "it is no JSON object"),
        (b'"a.png"', "it is no JSON object"),
        (b"{}", "file_name must name a file"),
        (b'{"file_name": 5}', "file_name must name a file"),
        (b'{"file_name": null}', "file_name must name a file"),
        (b'{"file_name": ["a.png"]}', "file_name must name a file"),
        (b'{"file_name": " "}', "file_name must name a file"),
        (b'{"file_name": "."}', "in the folder or below"),
        (b'{"file_name": "../a.png"}', "in the folder or below, not ../a.png"),
        (b'{"file_name": "b/../../a.png"}', "in the folder or below"),
        (b'{"file_name": "b/../a.png"}', "in the folder or below"),
        (b'{"file_name": "/etc/passwd"}', "in the folder or below, not /etc/passwd"),
        (b'{"file_name": "a\\u0000.png"}', "in the folder or below"),
        (b'{"file_name": "../\\u001b[2J"}', r"not ../\u001b[2J"),
        (b'{"file_name": "\\udcff.png"}', "file_name isn't Unicode"),
        (b'{"file_name": "a.png", "text": 5}', "text is no text"),
        (b'{"file_name": "a.png", "text": ["a"]}', "text is no text"),
        (b'{"file_name": "a.png", "text": "\\ud800"}', "text is no text"),
        (b'{"file_name": "a.png", "file_name": "b.png"}', "it has a name twice"),
        (b'{"file_name": "a.png", "x": NaN}', "NaN is no number of JSON's"),
        (b'{"file_name": "a.png", "x": -Infinity}', "-Infinity is no number of JSON's"),
        (b'{"file_name": "a.png", "x": 1e999}', "1e999 is no number of JSON's"),
        (b'{"file_name": "a.png", "x": ' + b"9" * 5000 + b"}", "integer string"),
        (b'{"file_name": "caf\xe9.png"}', "it isn't UTF-8"),
        (b'{"x": ' + b"[" * 100_000, "recursion"),
        (b"x" * (MAX_ROW_BYTES + 1), f"the row has more than {MAX_ROW_BYTES} bytes"),
    ],
)
def test_a_wrong_line_of_json_is_told_of(tmp_path: Path, line: bytes, message: str) -> None:
    """It is named, and what it says reaches no terminal as a command."""
    with pytest.raises(InvalidRequestError) as raised:
        rows(tmp_path / "m.jsonl", GOOD + line + b"\n")
    assert raised.value.message.startswith(f"{tmp_path}/m.jsonl, line 2: ")
    assert message in raised.value.message
    assert "\x1b" not in raised.value.message


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b"", None, ""),
        (b"a,b\n1,2\n", 2, "file_name must name a file"),
        (b"file_name,file_name\na.png,b.png\n", 1, "the header names a column twice"),
        (b"file_name\na.png,b\n", 2, "it has 2 values for 1 columns"),
        (b'file_name\n"a.png\n', 2, "unexpected end of data"),
        (b'file_name\n"a"x\n', 2, "expected after"),
        (b'file_name,text\na.png,"' + b"x" * 200_000 + b'"\n', 2, "field larger than field limit"),
        (b"file_name,text\na.png," + b"x," * MAX_ROW_BYTES + b"\n", 2, "the row has more than"),
        (b"file_name,text\na.png," + b'"\n",' * 400_000, None, "the row has more than"),
    ],
)
def test_a_wrong_record_of_csv_is_told_of(
    tmp_path: Path, content: bytes, line: int | None, message: str
) -> None:
    """An empty file has no rows; one without an end is given up."""
    if not content:
        assert rows(tmp_path / "m.csv", content) == []
        return
    with pytest.raises(InvalidRequestError) as raised:
        rows(tmp_path / "m.csv", content)
    assert f"{tmp_path}/m.csv, line {line or ''}" in raised.value.message
    assert message in raised.value.message


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """Nobody waits for a pipe's writer, and a device has no end."""
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    for name, message in (("pipe", "no regular file"), ("zero", "no regular file"), ("none", "No such file")):
        with pytest.raises(InvalidRequestError, match=message):
            list(MetadataFile(str(tmp_path / f"{name}.jsonl"), "text").rows())


def test_rows_are_read_one_after_the_other(tmp_path: Path) -> None:
    """What is wrong further down isn't known before."""
    path = tmp_path / "m.jsonl"
    path.write_text("".join(json.dumps({"file_name": f"{n}.png"}) + "\n" for n in range(3)) + "{")
    found = MetadataFile(str(path), "text").rows()
    assert [next(found).key for _ in range(3)] == ["0.png", "1.png", "2.png"]
    with pytest.raises(InvalidRequestError, match="line 4"):
        next(found)
