"""How large shards are, and how many images they hold, without reading them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, cast

import pyarrow
from pyarrow import parquet

from adapter.dataset.forecast import Extent
from adapter.dataset.records import on_one_line
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.tar_samples import TarSamples
from adapter.errors import StoreError

MAX_LOOKS = 32  # at one time: a store answers each in some 50 ms
SAMPLE_IMAGES, SAMPLE_BYTES = 500, 32 * 2**20  # from the beginning of one tar


@dataclass(frozen=True)
class _Size:
    bytes: int
    rows: int | None = None


def extent_of(shards: Sequence[Shard]) -> Extent:
    """Measures the shards: the rows of Parquet files by their footers, the images of tars by the beginning of
    one in the middle.

    Raises StoreError where a store or a file can't be read.
    """
    with ThreadPoolExecutor(MAX_LOOKS) as looking:
        sizes = list(looking.map(_size, shards))
    there = [(shard, size) for shard, size in zip(shards, sizes, strict=True) if size is not None]
    total = sum(size.bytes for _, size in there)
    rows = sum(size.rows or 0 for _, size in there)
    missing = len(shards) - len(there)
    tars = [shard for shard, _ in there if shard.is_tar]
    if not tars:
        return Extent(rows, total, len(shards), missing=missing)
    sample = tars[len(tars) // 2]
    tar_bytes = sum(size.bytes for shard, size in there if shard.is_tar)
    each = _bytes_per_image(sample)
    images = None if each is None else rows + round(tar_bytes / each)
    return Extent(images, total, len(shards), sample.name, missing)


def _size(shard: Shard) -> _Size | None:
    found = shard.place.fingerprint()
    if found is None:
        return None
    if shard.is_tar:
        return _Size(found.bytes)
    try:
        with shard.place.random_access() as file:
            return _Size(found.bytes, parquet.ParquetFile(file).metadata.num_rows)
    except (pyarrow.ArrowException, OSError) as error:
        raise StoreError(f"{shard.name} is damaged: {on_one_line(str(error))}") from error


def _bytes_per_image(shard: Shard) -> float | None:
    """Gives the bytes of a tar's beginning for each image in it; None where there is none."""
    images = 0
    with shard.place.stream() as stream:
        counted = _Counted(stream)
        for _ in TarSamples(cast(IO[bytes], counted), shard.name, 0):  # which keeps no image
            images += 1
            if images == SAMPLE_IMAGES or counted.bytes > SAMPLE_BYTES:
                break
    return counted.bytes / images if images else None


class _Counted:
    """Counts what is read of a stream, which can't tell."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        """Gives the next bytes."""
        piece: bytes = self._stream.read(size)
        self.bytes += len(piece)
        return piece
