"""Finds out, shard by shard, which images need texts, and reads them just ahead of the engine.

While a shard is read the next ones are looked at, and the first of them is opened, so that nothing waits for
a slow store between two.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from adapter.dataset.decide import Existing
from adapter.dataset.events import ShardLeft, TextFailed, TextSkipped
from adapter.dataset.item import Item
from adapter.dataset.records import Failure, to_failure
from adapter.dataset.shards.ahead import one_ahead, several_ahead
from adapter.dataset.shards.opened_samples import OpenedSamples, open_samples
from adapter.dataset.shards.parquet_samples import Columns
from adapter.dataset.shards.row_layout import About, Layout, Row
from adapter.dataset.shards.sample import Sample
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
from adapter.dataset.shards.shard_outlet import ShardJob, ShardOutlet, ShardTask, image_name
from adapter.dataset.shards.shard_output import Kept, ShardOutput
from adapter.dataset.shards.store import Place
from adapter.dataset.work import Settled
from adapter.errors import CaptionError, ImageError, StoreError
from adapter.images.memory import Memory
from adapter.images.sources import ImageBytes

MAX_HELD_BYTES = 2**27  # of images that were read and aren't captioned yet
MAX_LOOKS = 8  # at shards and outputs, at one time: all of it is waiting for a store


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


@dataclass(frozen=True)
class Examined:
    """A shard with what is to be done about it, by the output and the parts that are there."""

    output: ShardOutput
    decision: ShardDecision
    found: Kept | None
    parts: Sequence[Kept] = ()


@dataclass(frozen=True)
class _Turn:
    """A shard whose turn comes. What is to be captioned is open, with the rows of its output that are known;
    `error` tells why it isn't.
    """

    shard: Shard
    examined: Examined | None = None
    samples: OpenedSamples | None = None
    known: dict[str, Row] = field(default_factory=dict, repr=False)
    error: StoreError | None = None


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
    """Tells of a shard that isn't read; gives None for one that is to be."""
    output = examined.output
    match examined.decision:
        case Refuse(why):
            return _failed(output.shard.name, output.place.shown, StoreError(f"{output.shard.name}: {why}"))
        case Leave(why):
            about = examined.found.about if examined.found else None
            rows, failed = (about.rows, about.failed) if about else (0, 0)
            return Settled(ShardLeft(output.shard.name, rows * len(order.layout.recipes), failed, why))
        case Caption():
            return None


@dataclass
class ShardPlanner:
    """Plans the texts of shards for `outlet`. Images over `max_bytes` are refused unread.

    `feed` gives shards that come by and by, in the place of the order's. Each is waited for when the one
    before it was read, so that whoever hands them out can give them to others until then.
    """

    order: ShardOrder
    outlet: ShardOutlet
    max_bytes: int
    model: str | None = None
    feed: Iterable[Shard] | None = None
    _memory: Memory = field(default_factory=lambda: Memory(MAX_HELD_BYTES))

    def plan(self) -> Iterator[ShardJob | Settled]:
        """Gives a job for each image that needs a text, and whatever is settled; images come one by one.

        A shard that can't be read is a failure, and the next ones are read all the same. Raises
        InvalidRequestError where a file has no such columns.
        """
        for turn in self._turns():
            try:
                yield from self._plan(turn)
            except StoreError as error:
                yield _failed(turn.shard.name, turn.shard.name, error)

    def _turns(self) -> Iterator[_Turn]:
        if self.feed is not None:
            return map(self._open, map(self._examine, self.feed))
        return one_ahead(map(self._open, several_ahead(self._examine, self.order.shards, MAX_LOOKS)))

    def _examine(self, shard: Shard) -> _Turn:
        try:
            return _Turn(shard, examine(self.order, shard, self.model))
        except StoreError as error:
            return _Turn(shard, error=error)

    def _open(self, turn: _Turn) -> _Turn:
        """Opens the shard where it is to be captioned, and reads what is known of it already."""
        examined = turn.examined
        if examined is None or not isinstance(examined.decision, Caption):
            return turn
        output = examined.output
        try:
            if examined.decision.keep_output and examined.found is not None:
                output.keep(examined.found)
            for part in examined.parts:
                output.keep(part)
            samples = open_samples(turn.shard, self.order.columns, self.max_bytes)
        except StoreError as error:
            return replace(turn, error=error)
        return replace(turn, samples=samples, known=output.known())

    def _plan(self, turn: _Turn) -> Iterator[ShardJob | Settled]:
        if turn.error is not None:
            raise turn.error
        assert turn.examined is not None
        settled = settled_by(self.order, turn.examined)
        if settled is not None:
            yield settled
            return
        output, decision = turn.examined.output, turn.examined.decision
        assert isinstance(decision, Caption) and turn.samples is not None
        if not turn.examined.parts:
            output.discard_parts()  # what other settings have made
        with turn.samples as samples:
            yield from self._caption(output, samples, turn.known, decision)

    def _caption(
        self, output: ShardOutput, samples: OpenedSamples, known: dict[str, Row], caption: Caption
    ) -> Iterator[ShardJob | Settled]:
        self.outlet.open(output)
        seen: set[str] = set()
        incomplete = ""
        try:
            for sample in samples:
                if sample.key in seen:
                    error = ImageError("Another image of the shard has this key")
                    yield _failed(image_name(output, sample.key), output.place.shown, error)
                    continue
                seen.add(sample.key)
                yield from self._sample(output, sample, known.pop(sample.key, None), caption)
        except StoreError as error:
            incomplete = error.message
        output.others = samples.others
        output.end(incomplete)
        self.outlet.look()

    def _sample(
        self, output: ShardOutput, sample: Sample, known: Row | None, caption: Caption
    ) -> Iterator[ShardJob | Settled]:
        layout, name = self.order.layout, image_name(output, sample.key)
        lacking = layout.recipes if known is None else layout.lacking(known) if known else ()
        for _ in range(len(layout.recipes) - len(lacking)):
            yield Settled(TextSkipped(name))
        if not lacking:
            return
        if known is not None and not caption.redo_failed:
            for recipe in lacking:
                told = layout.error(known, recipe)
                yield Settled(TextFailed(Failure(name, output.place.shown, *told, time.time())))
        elif isinstance(sample.image, CaptionError):
            if known is None:
                output.add(layout.failed_row(sample.key, sample.image))
            for _ in lacking:
                yield _failed(name, output.place.shown, sample.image)
        else:
            row = known or {"key": sample.key}
            tasks = tuple(
                ShardTask(recipe, layout.attempts(row, recipe) if recipe.seed is not None else 0)
                for recipe in lacking
            )
            release = self._hold(len(sample.image))
            output.begin()
            yield ShardJob(Item(sample.key, ImageBytes(sample.image), _unknown), tasks, output, row, release)

    def _hold(self, size: int) -> Callable[[], None]:
        """Waits until there is memory for so many bytes, and gives what gives it back."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._memory.reserved()).more(size)
            return stack.pop_all().close


def _failed(image: str, output: str, error: CaptionError) -> Settled:
    return Settled(TextFailed(to_failure(image, output, error)))


def _unknown() -> None:
    """Gives the fingerprint of an image in a shard: the shard has one, as a whole."""
