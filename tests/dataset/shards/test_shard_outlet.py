"""From captions of shards to their outputs."""

import asyncio
from pathlib import Path

import pytest

from adapter.dataset.events import Event, ShardDone, TextFailed, TextsLost, TextWritten
from adapter.dataset.item import Item
from adapter.dataset.shards.row_layout import About, Layout
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_outlet import ShardJob, ShardOutlet, ShardTask
from adapter.dataset.shards.shard_output import ShardOutput
from adapter.dataset.shards.store import place_of
from adapter.dataset.tally import Tally
from adapter.errors import NotAnImageError, NothingWritableError
from adapter.images.sources import ImageBytes
from tests.datasets import RECIPE, answer_of
from tests.shards import rows

LAYOUT = Layout([RECIPE])
LIMIT_S = 30


def output_in(folder: Path) -> ShardOutput:
    shard = Shard(place_of(str(folder / "a.tar")))
    return ShardOutput(shard, place_of(str(folder / "out")), LAYOUT, About(shard.name, LAYOUT.settings))


def job(output: ShardOutput, key: str, released: list[str]) -> ShardJob:
    output.begin()
    item = Item(key, ImageBytes(b""), lambda: None)
    return ShardJob(item, (ShardTask(RECIPE),), output, {"key": key}, lambda: released.append(key))


async def test_all_that_was_put_in_is_in_the_output_at_the_end(tmp_path: Path) -> None:
    """Each text is told of, and its image's memory given back; an empty one is a failure."""
    events: list[Event] = []
    released: list[str] = []
    outlet, output = ShardOutlet(LAYOUT, events.append, 60), output_in(tmp_path)
    outlet.open(output)
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        group.create_task(outlet.write())
        await outlet.put(job(output, "a", released), 0, answer_of("a cat"))
        await outlet.put(job(output, "b", released), 0, NotAnImageError("No"))
        await outlet.put(job(output, "c", released), 0, answer_of(""))
        output.end()
        await outlet.end()
    assert released == ["a", "b", "c"]
    assert [type(event) for event in events] == [TextWritten, TextFailed, TextFailed, ShardDone]
    assert set(rows(tmp_path / "out/a.parquet")) == {"a", "b", "c"}


async def test_a_job_that_is_given_up_leaves_its_shard_unfinished(tmp_path: Path) -> None:
    """What came before is in a part."""
    released: list[str] = []
    outlet, output = ShardOutlet(LAYOUT, lambda _: None, 60), output_in(tmp_path)
    outlet.open(output)
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        group.create_task(outlet.write())
        given_up = job(output, "b", released)
        await outlet.put(job(output, "a", released), 0, answer_of("a cat"))
        outlet.give_up(given_up, 0)
        output.end()
        await outlet.end()
    assert released == ["a", "b"]
    assert not (tmp_path / "out/a.parquet").exists()
    assert [part.table.num_rows for part in output_in(tmp_path).parts()] == [1]


@pytest.mark.parametrize("ends", [True, False])
async def test_captions_that_no_store_takes_are_counted_as_lost(tmp_path: Path, ends: bool) -> None:
    """The run ends by itself after some failures in a row, and is told at its end of any."""
    (tmp_path / "out").write_text("no folder")
    tally, events = Tally(), list[Event]()

    def emit(event: Event) -> None:
        tally.take(event)
        events.append(event)

    outlet, output = ShardOutlet(LAYOUT, emit, 0.01), output_in(tmp_path)
    outlet.open(output)
    await outlet.put(job(output, "a", []), 0, answer_of("a cat"))
    assert tally.done == 1
    if ends:
        await outlet.end()
    with pytest.raises(NothingWritableError, match="1 captions are lost"):
        async with asyncio.timeout(LIMIT_S):
            await outlet.write()
    assert events[-1] == TextsLost(1)
    assert tally.done == 0
