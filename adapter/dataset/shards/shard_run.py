"""The bounded run over shards, as one machine and each of many have it."""

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from adapter.captioner.answering import Captioner
from adapter.dataset.events import Emit
from adapter.dataset.pace import Pace
from adapter.dataset.run import Conditions, Run
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_outlet import ShardJob, ShardOutlet
from adapter.dataset.shards.shard_planning import ShardPlanner
from adapter.settings import RunSettings


@dataclass(frozen=True)
class ShardTerms:
    """How a run over shards goes, besides its order: parts are written every `save_every_s` seconds.

    `concurrency` is the number of images under way, None where that follows the engine.
    """

    conditions: Conditions
    concurrency: int | None = None
    save_every_s: float = 60.0


def shard_run(
    order: ShardOrder,
    terms: ShardTerms,
    settings: RunSettings,
    captioner: contextlib.AbstractAsyncContextManager[Captioner],
    emit: Emit,
    *,
    feed: Iterable[Shard] | None = None,
) -> Run[ShardJob]:
    """Gives the run, over the shards of `feed` where there is one. Must be called where the loop runs."""
    outlet = ShardOutlet(order.layout, emit, terms.save_every_s)
    return Run(
        lambda model: ShardPlanner(order, outlet, settings.max_file_bytes, model, feed).plan(),
        outlet,
        Pace(settings.max_in_flight, terms.concurrency),
        captioner=captioner,
        conditions=terms.conditions,
        emit=emit,
        max_ahead=1,  # images are in memory
    )
