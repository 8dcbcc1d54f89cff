"""The images of Parquet files."""

import io
from pathlib import Path
from typing import Any

import pytest

from adapter.dataset.shards.parquet_samples import Columns, ParquetSamples
from adapter.dataset.shards.sample import Sample
from adapter.errors import ImageDamagedError, ImageTooLargeError, InvalidRequestError, StoreError
from tests.shards import write_parquet


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
