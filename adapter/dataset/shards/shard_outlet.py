"""From finished captions to the shards' outputs: parts once in a while, and each output when it is whole."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from adapter.caption.answer import Answer
from adapter.dataset.events import Emit, Event, ShardDone, TextFailed, TextsLost, TextWritten
from adapter.dataset.item import Item
from adapter.dataset.recipe import Recipe
from adapter.dataset.records import to_failure
from adapter.dataset.shards.row_layout import Layout, Row
from adapter.dataset.shards.shard_output import ShardOutput
from adapter.errors import CaptionError, NothingWritableError, StoreError

T = TypeVar("T")
MAX_FAILURES = 3  # of the store in a row, each after its client's own attempts


@dataclass(frozen=True)
class ShardTask:
    """One text to be made. `attempts` counts those of earlier runs whose captions were refused."""

    recipe: Recipe
    attempts: int = 0


@dataclass(frozen=True)
class ShardJob:
    """An image of a shard with the texts that its `row` lacks. `release` gives its memory back."""

    item: Item
    tasks: Sequence[ShardTask]
    output: ShardOutput
    row: Row
    release: Callable[[], None] = field(repr=False)
    told: list[Event] = field(default_factory=list)
    models: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """The item's name among those of all shards."""
        return image_name(self.output, self.item.key)


def image_name(output: ShardOutput, key: str) -> str:
    """Gives the name of a shard's image among those of all shards."""
    return f"{output.shard.name}: {key}"


class ShardOutlet:
    """Takes texts for the outputs that are `opened`. Parts are written every `save_every_s` seconds.

    Must be made where the loop runs. The thread that plans may open outputs, and tell of their ends.
    """

    def __init__(self, layout: Layout, emit: Emit, save_every_s: float) -> None:
        self._layout = layout
        self._emit = emit
        self._save_every_s = save_every_s
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._outputs: list[ShardOutput] = []
        self._has_ended = False
        self._failure: StoreError | None = None  # since which nothing is finished until parts are due
        self._failures = 0  # in a row

    def open(self, output: ShardOutput) -> None:
        """Takes texts for that output from now on."""
        self._outputs.append(output)

    def look(self) -> None:
        """Looks for outputs that are whole, now that one may be. For any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run has ended
            self._loop.call_soon_threadsafe(self._changed.set)

    async def put(self, work: ShardJob, number: int, result: Answer | CaptionError) -> None:
        """Takes one text of the job's row. They count, and are told, once the row has its last one."""
        task = work.tasks[number]
        if not isinstance(result, CaptionError):
            result = self._layout.settled(task.recipe, result)
        work.row.update(self._layout.cells(task.recipe, result, task.attempts))
        if isinstance(result, CaptionError):
            work.told.append(TextFailed(to_failure(work.name, work.output.place.shown, result)))
        else:
            work.models.add(result.weights)
            work.told.append(TextWritten(work.name, result))
        if number == len(work.tasks) - 1:
            work.output.take(work.row, work.models)
            work.release()
            for event in work.told:
                self._emit(event)
            self._changed.set()

    def give_up(self, work: ShardJob, number: int) -> None:
        """Gives up the whole row: a later run makes it."""
        work.release()

    async def end(self) -> None:
        self._has_ended = True
        self._changed.set()

    async def write(self) -> None:
        """Writes until `end` is called. Raises NothingWritableError where the store takes nothing."""
        due = self._loop.time() + self._save_every_s
        while not self._has_ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._changed.wait()
            self._changed.clear()
            if self._failure is None:
                await self._finish_whole()
            if self._loop.time() >= due:
                self._failure = None
                await self._write_parts()
                due = self._loop.time() + self._save_every_s
        self._failure = None
        await self._finish_whole()
        await self._write_parts()
        if self._failure is not None:
            raise self._ending(self._failure)

    async def _finish_whole(self) -> None:
        """Finishes the outputs that are whole, up to a failure of the store."""
        for output in [output for output in self._outputs if output.is_whole]:
            about = await self._attempt(output.finish)
            if about is None:
                return
            self._outputs.remove(output)
            if about.incomplete:
                error = StoreError(about.incomplete)
                self._emit(TextFailed(to_failure(output.shard.name, output.place.shown, error)))
            self._emit(ShardDone(output.place.shown, about.rows, about.failed, output.others))

    async def _write_parts(self) -> None:
        for output in list(self._outputs):
            await self._attempt(output.write_part)

    async def _attempt(self, write: Callable[[], T]) -> T | None:
        """Gives what writing gives, None where the store fails; after several failures in a row it raises."""
        try:
            written = await asyncio.to_thread(write)
        except StoreError as error:
            self._failure = error
            self._failures += 1
            if self._failures >= MAX_FAILURES and not self._has_ended:
                raise self._ending(error) from error
            return None
        self._failures = 0
        return written

    def _ending(self, error: StoreError) -> NothingWritableError:
        lost = sum(output.waiting for output in self._outputs)
        self._emit(TextsLost(lost))
        return NothingWritableError(
            f"Nothing can be written. {error.message}. {lost} captions are lost; the same command goes on"
        )
