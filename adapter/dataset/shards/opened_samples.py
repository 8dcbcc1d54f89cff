"""A shard that is open, and whose first image has been read."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from types import TracebackType
from typing import Self

from adapter.dataset.shards.parquet_samples import Columns, ParquetSamples
from adapter.dataset.shards.sample import Sample
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.tar_samples import TarSamples


@dataclass(frozen=True)
class OpenedSamples:
    """The samples of a shard, once, until the context ends in which they are used."""

    _source: TarSamples | ParquetSamples
    _samples: Iterator[Sample]
    _closing: contextlib.ExitStack

    @property
    def others(self) -> int:
        """The number of fields of samples that look like images, and weren't given as such."""
        return self._source.others

    def __iter__(self) -> Iterator[Sample]:
        """Raises StoreError where the shard breaks off; what came before is good."""
        return self._samples

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()


def open_samples(shard: Shard, columns: Columns, max_bytes: int) -> OpenedSamples:
    """Opens a shard, and reads its first image; those over `max_bytes` are left unread.

    Raises StoreError where that fails, and InvalidRequestError where a Parquet file has no such columns.
    """
    with contextlib.ExitStack() as stack:
        samples: TarSamples | ParquetSamples
        if shard.is_tar:
            samples = TarSamples(stack.enter_context(shard.place.stream()), shard.name, max_bytes)
        else:
            file = stack.enter_context(shard.place.random_access())
            samples = ParquetSamples(file, shard.name, max_bytes, columns)
        rest = iter(samples)
        first = list(islice(rest, 1))
        return OpenedSamples(samples, chain(first, rest), stack.pop_all())
