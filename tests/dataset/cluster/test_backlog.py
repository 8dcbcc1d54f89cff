"""The parts of a run on many machines."""

from adapter.dataset.cluster.backlog import MAX_LOSSES, Backlog
from adapter.dataset.cluster.news import News
from adapter.dataset.cluster.shard_work import ShardWork
from adapter.dataset.events import ShardDone, ShardLeft, TextFailed, TextsLost
from adapter.dataset.records import Failure
from adapter.dataset.run import Conditions
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.row_layout import Layout
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.shard_run import ShardTerms
from adapter.dataset.shards.store import place_of
from adapter.dataset.tally import Tally
from tests.datasets import RECIPE

A, B = (Shard(place_of(f"/{name}.tar")) for name in "ab")
WORK = ShardWork(ShardOrder((), place_of("/out"), Layout([RECIPE])), ShardTerms(Conditions()))


def failure(image: str, code: str = "image") -> Failure:
    return Failure(image, "out", code, "broken", 0.0)


class Made:
    """A backlog with shards, and what it reported."""

    def __init__(self, *shards: Shard) -> None:
        self.tally = Tally()
        self.reported: list[Failure] = []
        self.backlog = Backlog(
            self.tally, self.reported.append, WORK.part_of, lambda shard: f"{shard.stem}.parquet"
        )
        for shard in shards:
            self.backlog.add(shard)
        self.backlog.complete()

    def counts(self) -> tuple[int, int, int]:
        return self.tally.done, self.tally.skipped, self.tally.failed


async def test_shards_are_handed_out_once_and_end_with_their_outputs() -> None:
    """Failures are reported then."""
    made = Made(A, B)
    backlog = made.backlog
    assert (backlog.next_for(1), backlog.next_for(2), backlog.next_for(1)) == (A, B, None)
    lost = TextFailed(failure("/a.tar: x"))
    backlog.hear(1, News("here", {"/a.tar": Tally(done=3, prompt_tokens=9)}, [lost]))
    assert made.counts() == (3, 0, 1)
    assert not made.reported
    backlog.hear(1, News("here", {}, [ShardDone("a.parquet", 4, 1)]))
    assert made.reported == [lost.failure]
    backlog.hear(2, News("here", {}, [ShardLeft("/b.tar", 5, 0, "")]))
    assert made.counts() == (3, 5, 1)
    assert backlog.finished.is_set()


async def test_what_a_lost_worker_had_counted_is_counted_anew() -> None:
    """What it had made safe still counts as made, and what was there before as skipped."""
    made = Made(A)
    backlog = made.backlog
    backlog.next_for(1)
    broken = TextFailed(failure("/a.tar: x"))
    backlog.hear(1, News("here", {"/a.tar": Tally(done=10, skipped=2, completion_tokens=50)}, [broken]))
    assert backlog.give_back(1) == ["/a.tar"]
    assert made.counts() == (0, 0, 0)
    assert made.tally.completion_tokens == 50
    assert backlog.next_for(2) is A
    backlog.hear(2, News("here", {"/a.tar": Tally(skipped=1)}))
    backlog.hear(2, News("here", {"/a.tar": Tally(skipped=8)}, [broken]))
    backlog.hear(2, News("here", {"/a.tar": Tally(done=5)}, [ShardDone("a.parquet", 15, 1)]))
    assert made.counts() == (12, 2, 1)
    assert made.reported == [broken.failure]
    assert backlog.finished.is_set()


async def test_a_shard_that_workers_are_lost_at_fails_in_the_end() -> None:
    """It may be what kills them."""
    made = Made(A)
    for worker in range(MAX_LOSSES):
        assert made.backlog.next_for(worker) is A
        made.backlog.give_back(worker)
    assert made.counts() == (0, 0, 1)
    assert [(one.image, one.code) for one in made.reported] == [("/a.tar", "worker_lost")]
    assert made.backlog.finished.is_set()


async def test_a_shard_that_can_not_be_read_is_finished() -> None:
    """Its failure has its own name."""
    made = Made(A)
    made.backlog.next_for(1)
    made.backlog.hear(1, News("here", {}, [TextFailed(failure("/a.tar", "store"))]))
    assert made.backlog.finished.is_set()
    assert made.counts() == (0, 0, 1)


async def test_failures_of_unfinished_shards_are_reported_at_the_end() -> None:
    """And what a store didn't take is no caption."""
    made = Made(A)
    made.backlog.next_for(1)
    broken = TextFailed(failure("/a.tar: x"))
    made.backlog.hear(1, News("here", {"/a.tar": Tally(done=4)}, [broken, TextsLost(3)]))
    made.backlog.close()
    assert made.reported == [broken.failure]
    assert made.counts() == (1, 0, 1)
    assert not made.backlog.finished.is_set()
