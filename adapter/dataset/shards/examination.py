"""What a run over shards is to do, and what is to be done about each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapter.dataset.decide import Existing
from adapter.dataset.events import ShardLeft, TextFailed
from adapter.dataset.records import to_failure
from adapter.dataset.shards.parquet_samples import Columns
from adapter.dataset.shards.row_layout import About, Layout
from adapter.dataset.shards.shard_decision import (
    Caption,
    Leave,
    OutputFacts,
    Refuse,
    ShardDecision,
    ShardFacts,
    decide_shard,
)
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_output import Kept, ShardOutput
from adapter.dataset.shards.store import Place
from adapter.dataset.work import Settled
from adapter.errors import CaptionError, StoreError


@dataclass(frozen=True)
class ShardOrder:
    """Everything about a run over shards except the settings: the outputs go into the folder `output`, and
    new tars, where they are wanted, into `tars`.
    """

    shards: Sequence[Shard]
    output: Place
    layout: Layout
    columns: Columns = field(default_factory=Columns)
    existing: Existing = Existing.SKIP
    retry_failed: bool = False
    tars: Place | None = None

    def output_of(self, shard: Shard) -> Place:
        """Gives the place of the shard's output."""
        return self.output.below(shard.output_name)


@dataclass(frozen=True)
class Examined:
    """A shard with what is to be done about it, by the output and the parts that are there."""

    output: ShardOutput
    decision: ShardDecision
    found: Kept | None
    parts: Sequence[Kept] = ()


def examine(order: ShardOrder, shard: Shard, model: str | None = None) -> Examined:
    """Looks at a shard and its output. With `model` None texts of any model count as made by this one.

    Raises StoreError.
    """
    fingerprint = shard.place.fingerprint()
    if fingerprint is None:
        raise StoreError(f"{shard.name} is not there")
    settings = order.layout.settings
    about = About(shard.name, settings, size=fingerprint.bytes, modified_ns=fingerprint.modified_ns)

    def is_same(kept: About) -> bool:
        if kept.settings != settings:
            return False
        if order.existing is Existing.SKIP:
            return True
        is_of_model = model is None or set(kept.models) <= {model}
        return is_of_model and (kept.size, kept.modified_ns) == (about.size, about.modified_ns)

    output = ShardOutput(shard, order.output, order.layout, about)
    found, parts = output.found(), output.parts()
    if found is not None and found.about is None:
        why = f"{output.place.shown} is there already, and was not written by this command: move it away"
        return Examined(output, Refuse(why), found)
    same = [part for part in parts if part.about is not None and is_same(part.about)]
    known = None if found is None else found.about
    facts = ShardFacts(
        order.existing,
        order.retry_failed,
        output=None if known is None else OutputFacts(is_same(known), bool(known.incomplete), known.failed),
        same_parts=bool(same),
        other_parts=len(same) < len(parts),
    )
    return Examined(output, decide_shard(facts), found, same)


def settled_by(order: ShardOrder, examined: Examined) -> Settled | None:
    """Gives what to tell of a shard that needs no reading; None where it has to be read."""
    output = examined.output
    match examined.decision:
        case Refuse(why):
            return failed(output.shard.name, output.place.shown, StoreError(f"{output.shard.name}: {why}"))
        case Leave(why):
            about = examined.found.about if examined.found else None
            rows, lacking = (about.rows, about.failed) if about else (0, 0)
            return Settled(ShardLeft(output.shard.name, rows * len(order.layout.recipes), lacking, why))
        case Caption():
            return None


def failed(image: str, output: str, error: CaptionError) -> Settled:
    """Gives what tells of a failure of an image, or of a whole shard."""
    return Settled(TextFailed(to_failure(image, output, error)))
