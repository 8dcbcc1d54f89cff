"""Shards as parts of a run on many machines. Imports pyarrow."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from adapter.captioner.answering import Captioner
from adapter.dataset.events import Emit
from adapter.dataset.run import Run
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_outlet import ShardJob
from adapter.dataset.shards.shard_run import ShardTerms, shard_run
from adapter.settings import RunSettings


@dataclass(frozen=True)
class ShardWork:
    """How shards are captioned by workers: the order without its shards. Outputs are all that is kept."""

    order: ShardOrder
    terms: ShardTerms

    def part_of(self, image: str, parts: Mapping[str, Any]) -> str:
        found = [name for name in parts if image == name or image.startswith(f"{name}: ")]
        return max(found, key=len, default="")

    @contextlib.contextmanager
    def opened_run(
        self,
        settings: RunSettings,
        captioner: contextlib.AbstractAsyncContextManager[Captioner],
        emit: Emit,
        feed: Iterable[Shard],
    ) -> Iterator[Run[ShardJob]]:
        yield shard_run(self.order, self.terms, settings, captioner, emit, feed=feed)

    def output_of(self, shard: Shard) -> str:
        """Gives what a shard's output is called in events."""
        return self.order.output_of(shard).shown
