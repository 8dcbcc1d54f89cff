"""What a worker tells of its run."""

import asyncio

from adapter.dataset.cluster.news import Bulletin, Ended
from adapter.dataset.cluster.shard_work import ShardWork
from adapter.dataset.events import ShardDone, TextSkipped, TextWritten
from adapter.dataset.run import Conditions
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.row_layout import Layout
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_run import ShardTerms
from adapter.dataset.shards.store import place_of
from adapter.errors import EngineGoneError
from tests.datasets import RECIPE, answer_of

LONG_S = 60.0
A, B = (Shard(place_of(f"/{name}.tar")) for name in "ab")
WORK = ShardWork(ShardOrder((), place_of("/out"), Layout([RECIPE])), ShardTerms(Conditions()))


async def test_texts_are_counted_by_shard_and_the_rest_is_told_as_it_is() -> None:
    """Each count is told once."""
    bulletin = Bulletin("here", WORK.part_of)
    for shard in (A, B):
        bulletin.begin(shard)
    bulletin.take(TextWritten("/a.tar: 1", answer_of("a cat")))
    bulletin.take(TextWritten("/b.tar: 1", answer_of("a dog")))
    bulletin.take(TextSkipped("/b.tar: 2"))
    bulletin.take(ShardDone("out/a.parquet", 1, 0))
    news = await bulletin.news(0.0)
    assert {name: (tally.done, tally.skipped) for name, tally in news.counts.items()} == {
        "/a.tar": (1, 0),
        "/b.tar": (1, 1),
    }
    assert (news.host, news.events, news.wants) == ("here", [ShardDone("out/a.parquet", 1, 0)], False)
    assert not (await bulletin.news(0.0)).counts


async def test_a_wish_and_the_end_are_told_at_once() -> None:
    """And a wish is told until a shard comes."""
    bulletin = Bulletin("here", WORK.part_of)
    await asyncio.to_thread(bulletin.ask)
    assert (await bulletin.news(LONG_S)).wants
    assert (await bulletin.news(0.0)).wants
    bulletin.begin(A)
    assert not (await bulletin.news(0.0)).wants
    ended = Ended(EngineGoneError("gone"))
    bulletin.end(ended)
    assert (await bulletin.news(LONG_S)).ended is ended


def test_an_image_belongs_to_the_shard_that_it_is_called_by() -> None:
    """Names may begin alike."""
    shards = dict.fromkeys(["a.tar", "a.tar: b.tar"])
    assert WORK.part_of("a.tar: 1", shards) == "a.tar"
    assert WORK.part_of("a.tar: b.tar: 1", shards) == "a.tar: b.tar"
    assert WORK.part_of("a.tar", shards) == "a.tar"
    assert WORK.part_of("b.tar: 1", shards) == ""
