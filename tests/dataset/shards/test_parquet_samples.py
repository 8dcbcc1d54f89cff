"""The images of Parquet files."""

import io
import random
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from adapter.dataset.shards.parquet_samples import Columns, ParquetSamples
from adapter.dataset.shards.sample import Sample
from adapter.errors import ImageDamagedError, ImageError, ImageTooLargeError, InvalidRequestError, StoreError
from tests.shards import damaged, shade, write_parquet


def samples(path: Path, columns: Columns, max_bytes: int = 1000) -> list[Sample]:
    return list(ParquetSamples(str(path), "a.parquet", max_bytes, columns))


@pytest.mark.parametrize(
    ("table", "columns", "expected"),
    [
        ({"image": [{"bytes": b"x", "path": "p"}]}, {}, [("0", b"x")]),
        ({"jpg": [b"x", b"y"], "key": ["a", "b"], "txt": ["", ""]}, {}, [("a", b"x"), ("b", b"y")]),
        ({"pixels": [b"x"], "id": [7]}, {"image": "pixels", "key": "id"}, [("7", b"x")]),
        ({"png": [b"x"] * 20}, {}, [(str(number), b"x") for number in range(20)]),
    ],
)
def test_columns_are_found_or_named(
    tmp_path: Path, table: dict[str, Any], columns: dict[str, str], expected: list[tuple[str, bytes]]
) -> None:
    """Without a key column the rows count."""
    write_parquet(tmp_path / "a.parquet", table)
    assert samples(tmp_path / "a.parquet", Columns(**columns)) == [Sample(*one) for one in expected]


@pytest.mark.parametrize(
    ("table", "columns", "told"),
    [
        ({"text": ["x"]}, {}, "--image-column"),
        ({"jpg": [b"x"], "png": [b"x"]}, {}, "jpg and png"),
        ({"jpg": [b"x"]}, {"image": "none"}, "no column none"),
        ({"jpg": ["x"]}, {"image": "jpg"}, "no column jpg"),
        ({"jpg": [b"x"]}, {"key": "jpg"}, "no column jpg"),
    ],
)
def test_columns_that_are_missing_are_told(
    tmp_path: Path, table: dict[str, Any], columns: dict[str, str], told: str
) -> None:
    """The message says which flag names them."""
    write_parquet(tmp_path / "a.parquet", table)
    with pytest.raises(InvalidRequestError, match=told):
        samples(tmp_path / "a.parquet", Columns(**columns))


def test_a_key_that_is_no_utf_8_is_escaped(tmp_path: Path) -> None:
    """Whoever wrote the file took bytes for text; a row without a key has an error."""
    keys = pyarrow.array([b"a\x95", b"b", None]).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"jpg": [b"x", b"y", b"z"], "key": keys}), tmp_path / "a.parquet")
    first, second, third = samples(tmp_path / "a.parquet", Columns())
    assert (first, second) == (Sample("a\\udc95", b"x"), Sample("b", b"y"))
    assert isinstance(third.image, ImageError)


def test_cells_without_bytes_or_with_too_many_are_errors(tmp_path: Path) -> None:
    """The rows around them are good."""
    cells = [
        {"bytes": b"x" * 11, "path": ""},
        None,
        {"bytes": None, "path": "a.png"},
        {"bytes": b"y", "path": ""},
    ]
    write_parquet(tmp_path / "a.parquet", {"image": cells})
    large, none, elsewhere, good = samples(tmp_path / "a.parquet", Columns(), 10)
    assert isinstance(large.image, ImageTooLargeError)
    assert isinstance(none.image, ImageDamagedError)
    assert isinstance(elsewhere.image, ImageDamagedError)
    assert good == Sample("3", b"y")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no Parquet" * 100])
def test_what_is_no_parquet_file_is_an_error(content: bytes) -> None:
    """Whatever its name is."""
    with pytest.raises(StoreError, match=r"a\.parquet breaks off"):
        list(ParquetSamples(io.BytesIO(content), "a.parquet", 10))


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_whatever_a_parquet_file_holds_it_is_read_or_told_to_be_damaged(
    tmp_path: Path, compression: str
) -> None:
    """Bytes are changed, lost and added, and blocks overwritten, at random."""
    cells = [{"bytes": shade(number), "path": ""} for number in range(60)]
    table = pyarrow.table({"image": cells, "key": [str(number) for number in range(60)]})
    parquet.write_table(table, tmp_path / "a.parquet", compression=compression, row_group_size=25)
    whole = (tmp_path / "a.parquet").read_bytes()
    chance = random.Random(compression)
    for _ in range(100):
        file = pyarrow.BufferReader(damaged(whole, chance))
        try:
            found = list(ParquetSamples(file, "a.parquet", 1000))
        except (StoreError, InvalidRequestError) as error:
            assert "a.parquet" in error.message
        else:
            assert len(found) <= 60
