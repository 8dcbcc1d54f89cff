"""Finds the shards that are done, with one listing of the outputs instead of a look at every shard."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from adapter.dataset.cluster.backlog import Backlog
from adapter.dataset.decide import Existing
from adapter.dataset.events import Emit, Event, TextFailed
from adapter.dataset.records import to_failure
from adapter.dataset.shards.examination import ShardOrder, examine, settled_by
from adapter.dataset.shards.shard_list import Shard
from adapter.errors import StoreError

MAX_LOOKS: Final = 32  # at one time: a store answers each in some 50 ms


async def sort_out(order: ShardOrder, shards: Sequence[Shard], backlog: Backlog, tell: Emit) -> None:
    """Puts the shards that need captions into the backlog, and tells of all others.

    Those without an output go at once, before any of the others is looked at. Where the engine's model
    decides, the workers look. Raises StoreError where the outputs can't be listed.
    """
    try:
        looked_at: list[Shard] = []
        if order.existing is Existing.SKIP:
            there = {place.name for place in await asyncio.to_thread(order.output.files)}
            looked_at = [shard for shard in shards if shard.output_name in there or order.retry_failed]
        names = {shard.name for shard in looked_at}
        for shard in shards:
            if shard.name not in names:
                backlog.add(shard)
        await _look_at(order, looked_at, backlog, tell)
    finally:
        backlog.complete()


async def _look_at(order: ShardOrder, shards: Sequence[Shard], backlog: Backlog, tell: Emit) -> None:
    loop, remaining = asyncio.get_running_loop(), iter(shards)
    threads = ThreadPoolExecutor(MAX_LOOKS)  # the loop's own has no more than a few

    async def look() -> None:
        for shard in remaining:
            event = await loop.run_in_executor(threads, _told_of, order, shard)
            if event is None:
                backlog.add(shard)
            else:
                backlog.settle(event)
                tell(event)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(MAX_LOOKS):
                group.create_task(look())
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _told_of(order: ShardOrder, shard: Shard) -> Event | None:
    """Gives what there is to tell of the shard; None where it is to be captioned."""
    try:
        settled = settled_by(order, examine(order, shard))
    except StoreError as error:
        return TextFailed(to_failure(shard.name, shard.name, error))
    return None if settled is None else settled.event
