"""Finds out how much there is to do in shards, where names or the ends of Parquet files tell."""

import contextlib
import threading
from collections.abc import Iterator

import pyarrow
from pyarrow import parquet

from adapter.dataset.decide import Existing
from adapter.dataset.shards.ahead import several_ahead
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_planning import MAX_LOOKS
from adapter.dataset.tally import Tally
from adapter.errors import StoreError


@contextlib.contextmanager
def counting_shards(order: ShardOrder, tally: Tally) -> Iterator[None]:
    """Tells the tally of the order's shards, in a thread, while the context lasts.

    How many images a tar has is not known before it has been read, so that there is a total only for Parquet
    files. A run over failures alone has neither.
    """
    tally.shards = len(order.shards)
    stop = threading.Event()
    if not order.retry_failed:
        threading.Thread(target=_count, args=(order, tally, stop), name="count", daemon=True).start()
    try:
        yield
    finally:
        stop.set()


def _count(order: ShardOrder, tally: Tally, stop: threading.Event) -> None:
    with contextlib.suppress(StoreError, pyarrow.ArrowException, OSError):  # the run itself tells what fails
        if order.existing is Existing.SKIP:
            finished = {place.name for place in order.output.files()}
            tally.shards_to_make = sum(shard.output_name not in finished for shard in order.shards)
        if any(shard.is_tar for shard in order.shards):
            return
        images = 0
        for rows in several_ahead(_rows, order.shards, MAX_LOOKS):
            if stop.is_set():
                return
            images += rows
        tally.total = images * len(order.layout.recipes)


def _rows(shard: Shard) -> int:
    with shard.place.random_access() as file:
        return int(parquet.read_metadata(file).num_rows)
