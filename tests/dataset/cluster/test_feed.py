"""Shards on their way to the thread that reads them."""

from adapter.dataset.cluster.feed import Feed
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.store import place_of


def test_each_shard_is_asked_for_and_closing_ends_it() -> None:
    """The next one is asked for once the last one was read."""
    asked: list[int] = []
    shards = [Shard(place_of(f"/{name}.tar")) for name in "ab"]
    feed = Feed(lambda: asked.append(len(asked)))
    for shard in shards:
        feed.give(shard)
    feed.close()
    taken = iter(feed)
    assert next(taken) is shards[0]
    assert len(asked) == 1
    assert list(taken) == shards[1:]
    assert len(asked) == 3
