"""The images of a Parquet file: a column of bytes, or Hugging Face's `struct<bytes, path>`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow
from pyarrow import parquet, types

from adapter.dataset.records import on_one_line
from adapter.dataset.shards.sample import Sample, sample_of, too_large
from adapter.dataset.shards.store import FOREIGN_ERRORS
from adapter.errors import ImageDamagedError, InvalidRequestError, StoreError

BATCH_ROWS = 8  # in memory at one time
READ_BYTES = 2**20
# What the image's column is called where nobody says so: Hugging Face, img2dataset by its format.
IMAGE_COLUMNS = ("image", "jpg", "jpeg", "png", "webp", "img", "bytes", "image_bytes")
KEY_COLUMNS = ("key", "__key__")


@dataclass(frozen=True)
class Columns:
    """The names of the columns with images and keys, empty for those that are known by themselves."""

    image: str = ""
    key: str = ""


@dataclass
class ParquetSamples:
    """The images of the Parquet file in `file`, called `name`. Without a key column, rows count from 0."""

    file: Any
    name: str
    max_bytes: int
    columns: Columns = Columns()
    others: int = 0

    def __iter__(self) -> Iterator[Sample]:
        """Raises StoreError where the file is damaged, InvalidRequestError where it has no such columns."""
        try:
            opened = parquet.ParquetFile(self.file, pre_buffer=False, buffer_size=READ_BYTES)
            schema = opened.schema_arrow
            image, key = self._image_column(schema), self._key_column(schema)
            wanted = [f"{image}.bytes" if types.is_struct(schema.field(image).type) else image]
            wanted += [key] if key else []
            row = 0
            for batch in opened.iter_batches(BATCH_ROWS, columns=wanted, use_threads=False):
                keys = batch.column(key) if key else range(row, row + batch.num_rows)
                for cell, own in zip(batch.column(image), keys, strict=True):
                    yield sample_of(_text(own) if key else str(own), self._bytes(cell))
                row += batch.num_rows
        except FOREIGN_ERRORS as error:
            reason = on_one_line(str(error))
            raise StoreError(f"{self.name} breaks off or is damaged: {reason}") from error

    def _bytes(self, cell: Any) -> bytes | Any:
        if types.is_struct(cell.type):
            cell = cell["bytes"] if cell.is_valid else pyarrow.scalar(None, pyarrow.binary())
        if not cell.is_valid:
            return ImageDamagedError("The row holds no bytes of an image")
        content = cell.as_buffer()
        return too_large(self.max_bytes) if content.size > self.max_bytes else content.to_pybytes()

    def _image_column(self, schema: Any) -> str:
        if self.columns.image:
            return self._named(schema, self.columns.image, "--image-column", _is_image)
        found = [field.name for field in schema if types.is_struct(field.type) and _is_image(field.type)]
        found = found or [name for name in IMAGE_COLUMNS if _has(schema, name, _is_image)]
        if not found:
            raise InvalidRequestError(
                f"{self.name} has no column that is known to hold images: name it by --image-column"
            )
        if len(found) > 1:
            raise InvalidRequestError(
                f"{self.name} has several columns of images, {' and '.join(found)}: choose by --image-column"
            )
        return str(found[0])

    def _key_column(self, schema: Any) -> str:
        if self.columns.key:
            return self._named(schema, self.columns.key, "--key-column", _is_key)
        return next((name for name in KEY_COLUMNS if _has(schema, name, _is_key)), "")

    def _named(self, schema: Any, name: str, flag: str, is_right: Any) -> str:
        if not _has(schema, name, is_right):
            raise InvalidRequestError(f"{self.name} has no column {name} that {flag} could mean")
        return name


def _text(key: Any) -> str:
    """Gives a row's key, empty for none; bytes that are no UTF-8 stay what they are, as in names of files."""
    if not key.is_valid:
        return ""
    if types.is_integer(key.type):
        return str(key.as_py())
    return bytes(key.as_buffer()).decode(errors="surrogateescape")


def _has(schema: Any, name: str, is_right: Any) -> bool:
    index = schema.get_field_index(name)
    return index >= 0 and bool(is_right(schema.field(index).type))


def _is_bytes(kind: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_image(kind: Any) -> bool:
    if types.is_struct(kind):
        names: Sequence[str] = [field.name for field in kind]
        return "bytes" in names and _is_bytes(kind.field("bytes").type)
    return _is_bytes(kind)


def _is_key(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind))
