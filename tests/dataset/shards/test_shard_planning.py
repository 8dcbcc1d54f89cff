"""What is planned for shards."""

from collections.abc import Iterator
from pathlib import Path

from adapter.dataset.events import Event, ShardLeft, TextFailed
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.row_layout import Layout
from adapter.dataset.shards.shard_list import Shard, find_shards
from adapter.dataset.shards.shard_outlet import ShardJob, ShardOutlet
from adapter.dataset.shards.shard_planning import ShardPlanner
from adapter.dataset.shards.store import place_of
from adapter.dataset.work import Settled
from tests.datasets import RECIPE
from tests.shards import shade, tar_of, webdataset


def events(planned: list[ShardJob | Settled]) -> list[Event]:
    return [one.event for one in planned if isinstance(one, Settled)]


async def test_a_shard_that_can_not_be_read_fails_and_the_next_one_is_planned(tmp_path: Path) -> None:
    """A missing one, an empty one, and one that is no tar have no output."""
    (tmp_path / "1.tar").write_bytes(b"")
    (tmp_path / "2.tar").write_bytes(b"no tar" * 1000)
    (tmp_path / "3.tar").write_bytes(webdataset(2))
    order = ShardOrder(
        find_shards([f"{tmp_path}/{{0..3}}.tar"]), place_of(str(tmp_path / "out")), Layout([RECIPE])
    )
    outlet = ShardOutlet(order.layout, lambda _: None, 60)
    planned = list(ShardPlanner(order, outlet, 10_000).plan())
    told = [event.failure.image for event in events(planned) if isinstance(event, TextFailed)]
    assert [Path(image).name for image in told] == ["0.tar", "1.tar", "2.tar"]
    jobs = [one for one in planned if isinstance(one, ShardJob)]
    assert [job.item.key for job in jobs] == ["000000000", "000000001"]
    assert not jobs[0].output.is_whole
    assert not (tmp_path / "out").exists()


async def test_images_over_the_limit_and_keys_that_come_twice_fail_alone(tmp_path: Path) -> None:
    """The second image of a key has no row: a join would double it."""
    content = tar_of(
        [("a.png", shade(1)), ("b.png", bytes(10_001)), ("a.jpg", shade(2)), ("c.png", shade(3))]
    )
    (tmp_path / "a.tar").write_bytes(content)
    order = ShardOrder(find_shards([f"{tmp_path}/a.tar"]), place_of(str(tmp_path / "out")), Layout([RECIPE]))
    planned = list(ShardPlanner(order, ShardOutlet(order.layout, lambda _: None, 60), 10_000).plan())
    failures = [event.failure for event in events(planned) if isinstance(event, TextFailed)]
    assert [failure.code for failure in failures] == ["image_too_large", "image"]
    assert [one.item.key for one in planned if isinstance(one, ShardJob)] == ["a", "c"]


async def test_failures_are_retried_only_where_there_is_an_output(tmp_path: Path) -> None:
    """Nothing has failed before."""
    (tmp_path / "a.tar").write_bytes(webdataset(2))
    order = ShardOrder(
        find_shards([f"{tmp_path}/a.tar"]),
        place_of(str(tmp_path / "out")),
        Layout([RECIPE]),
        retry_failed=True,
    )
    planned = list(ShardPlanner(order, ShardOutlet(order.layout, lambda _: None, 60), 10_000).plan())
    (left,) = events(planned)
    assert isinstance(left, ShardLeft)
    assert left.why == "it has no output yet"


async def test_an_output_that_is_damaged_fails_alone(tmp_path: Path) -> None:
    """Also where it is a part of one; the next shard is planned."""
    for name in ("a.tar", "b.tar", "c.tar"):
        (tmp_path / name).write_bytes(webdataset(1))
    (tmp_path / "out/_parts/b").mkdir(parents=True)
    for name in ("a.parquet", "_parts/b/0.parquet"):
        (tmp_path / "out" / name).write_bytes(b"PAR1 and nothing else PAR1")
    order = ShardOrder(find_shards([f"{tmp_path}/*.tar"]), place_of(str(tmp_path / "out")), Layout([RECIPE]))
    planned = list(ShardPlanner(order, ShardOutlet(order.layout, lambda _: None, 60), 10_000).plan())
    told = [event.failure.message for event in events(planned) if isinstance(event, TextFailed)]
    assert [" is damaged: " in message for message in told] == [True, True]
    assert [one.output.shard.stem for one in planned if isinstance(one, ShardJob)] == ["c"]


async def test_a_feed_is_asked_for_a_shard_when_the_one_before_was_read(tmp_path: Path) -> None:
    """Until then another machine can have it."""
    for name in ("1.tar", "2.tar"):
        (tmp_path / name).write_bytes(webdataset(2))
    asked: list[str] = []

    def feed() -> Iterator[Shard]:
        for shard in find_shards([f"{tmp_path}/*.tar"]):
            asked.append(shard.stem)
            yield shard

    order = ShardOrder((), place_of(str(tmp_path / "out")), Layout([RECIPE]))
    outlet = ShardOutlet(order.layout, lambda _: None, 60)
    known = []
    for one in ShardPlanner(order, outlet, 10_000, feed=feed()).plan():
        assert isinstance(one, ShardJob)
        known.append((one.item.key, list(asked)))
    assert known == [
        ("000000000", ["1"]),
        ("000000001", ["1"]),
        ("000000000", ["1", "2"]),
        ("000000001", ["1", "2"]),
    ]
