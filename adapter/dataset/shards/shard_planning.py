"""Finds out, shard by shard, which images need texts, and reads them just ahead of the engine.

While a shard is read the next ones are looked at, and the first of them is opened, so that nothing waits for
a slow store between two.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from adapter.dataset.events import TextFailed, TextSkipped
from adapter.dataset.item import Item
from adapter.dataset.records import Failure
from adapter.dataset.shards.ahead import one_ahead, several_ahead
from adapter.dataset.shards.examination import Examined, ShardOrder, examine, failed, settled_by
from adapter.dataset.shards.opened_samples import OpenedSamples, open_samples
from adapter.dataset.shards.row_layout import Row
from adapter.dataset.shards.sample import Sample
from adapter.dataset.shards.shard_decision import (
    Caption,
)
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_outlet import ShardJob, ShardOutlet, ShardTask, image_name
from adapter.dataset.shards.shard_output import ShardOutput
from adapter.dataset.work import Settled
from adapter.errors import CaptionError, ImageError, StoreError
from adapter.images.memory import Memory
from adapter.images.sources import ImageBytes

MAX_HELD_BYTES = 2**27  # of images that were read and aren't captioned yet
MAX_LOOKS = 8  # at shards and outputs, at one time: all of it is waiting for a store


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
                yield failed(turn.shard.name, turn.shard.name, error)

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
                    yield failed(image_name(output, sample.key), output.place.shown, error)
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
                yield failed(name, output.place.shown, sample.image)
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


def _unknown() -> None:
    """Gives the fingerprint of an image in a shard: the shard has one, as a whole."""
