"""The workers of a run, here in this process, with a fake engine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from adapter.dataset.cluster.backlog import Backlog
from adapter.dataset.cluster.cluster_worker import Assignment, ClusterWorker
from adapter.dataset.cluster.crew import MAX_LOSSES, Crew, Hand
from adapter.dataset.cluster.done_shards import sort_out
from adapter.dataset.cluster.news import News
from adapter.dataset.cluster.part import Part
from adapter.dataset.cluster.shard_work import ShardWork
from adapter.dataset.events import Event, ShardDone, ShardLeft
from adapter.dataset.run import Conditions
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.row_layout import Layout
from adapter.dataset.shards.shard_list import find_shards
from adapter.dataset.shards.shard_run import ShardTerms
from adapter.dataset.shards.store import place_of
from adapter.dataset.tally import Tally
from adapter.errors import EngineGoneError
from tests.datasets import RECIPE
from tests.fake_engine import FakeEngine
from tests.shards import rows, webdataset
from tests.workers import WorkerHere

LIMIT_S = 60
SHARDS, IMAGES = 4, 5


class Nowhere:
    """A worker that there is no place for."""

    async def exchange(self, part: Part | None, *, closing: bool = False) -> News:
        await asyncio.Event().wait()
        raise AssertionError

    async def stop(self) -> None: ...

    def dismiss(self) -> None: ...


@dataclass
class Site:
    """Shards, and all that is needed to caption them."""

    folder: Path
    url: str
    tally: Tally = field(default_factory=Tally)
    events: list[Event] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def order(self) -> ShardOrder:
        return ShardOrder((), place_of(str(self.folder / "out")), Layout([RECIPE]))

    def worker(self, lost_at: int | None = None, silent_at: int | None = None) -> WorkerHere:
        chosen = {"prepare_workers": 1, "run_dir": self.folder / "run"}
        terms = ShardTerms(Conditions(), save_every_s=0.05)
        worker = ClusterWorker(Assignment(ShardWork(self.order, terms), chosen, ""), (self.url,))
        return WorkerHere(worker, lost_at, silent_at)

    async def complete(self, size: int, hire: Callable[[int], Hand]) -> Crew:
        """Works through all shards."""
        order = self.order
        work = ShardWork(order, ShardTerms(Conditions()))
        backlog = Backlog(self.tally, lambda _: None, work.part_of, work.output_of)
        crew = Crew(
            size,
            hire,
            backlog,
            parts="shards",
            hear=lambda _, event: self.events.append(event),
            notice=self.lines.append,
            place_s=0.1,
            silence_s=5.0,
        )
        shards = find_shards([str(self.folder / "*.tar")])
        async with asyncio.timeout(LIMIT_S):
            await sort_out(order, shards, backlog, self.events.append)
            await crew.complete()
        return crew

    def keys(self) -> list[str]:
        return sorted(key for path in (self.folder / "out").glob("*.parquet") for key in rows(path))


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    engine = FakeEngine()
    server = await engine.start()
    for number in range(SHARDS):
        (tmp_path / f"{number}.tar").write_bytes(webdataset(IMAGES, IMAGES * number))
    yield Site(tmp_path, str(server.make_url("")))
    await server.close()


ALL = [f"{number:09}" for number in range(SHARDS * IMAGES)]


async def test_workers_divide_the_shards(site: Site) -> None:
    """A second run finds them done, and hires nobody."""
    await site.complete(2, lambda _: site.worker())
    assert site.keys() == ALL
    assert site.tally.done == len(ALL)
    assert sum(isinstance(event, ShardDone) for event in site.events) == SHARDS
    site.events.clear()

    def refuse(number: int) -> Hand:
        raise AssertionError(number)

    again = replace(site, tally=Tally())
    await again.complete(2, refuse)
    assert (again.tally.done, again.tally.skipped) == (0, len(ALL))
    assert [type(event) for event in site.events] == [ShardLeft] * SHARDS


async def test_another_worker_takes_the_place_of_a_lost_one(site: Site) -> None:
    """And the lost one's shards are made by any of them."""
    hired: list[int] = []

    def hire(number: int) -> Hand:
        hired.append(number)
        return site.worker(lost_at=4 if len(hired) == 1 else None)

    await site.complete(1, hire)
    assert hired == [1, 1]
    assert site.keys() == ALL
    assert site.tally.done + site.tally.skipped == len(ALL)
    assert "its machine burns" in site.lines[0]


async def test_a_place_where_workers_are_lost_again_and_again_is_given_up(site: Site) -> None:
    """The others do the work; without others that ends the run."""
    await site.complete(2, lambda number: site.worker(lost_at=1 if number == 1 else None))
    assert site.keys() == ALL
    lonely = replace(site, folder=site.folder / "other")
    lonely.folder.mkdir()
    (lonely.folder / "a.tar").write_bytes(webdataset(1))
    with pytest.raises(EngineGoneError, match=f"was lost {MAX_LOSSES} times: its machine burns"):
        await lonely.complete(1, lambda _: lonely.worker(lost_at=1))


async def test_a_worker_without_a_place_keeps_nobody_waiting(site: Site) -> None:
    """The run ends when the others have done all."""
    await site.complete(2, lambda number: Nowhere() if number == 2 else site.worker())
    assert site.keys() == ALL


async def test_without_any_place_the_run_ends(site: Site) -> None:
    """It says what it waited for."""
    with pytest.raises(EngineGoneError, match="No machine of the cluster has had a place"):
        await site.complete(2, lambda _: Nowhere())
    assert not site.keys()


async def test_a_worker_that_falls_silent_is_lost(site: Site) -> None:
    """Its process may hang with its disk."""
    hired: list[int] = []

    def hire(number: int) -> Hand:
        hired.append(number)
        return site.worker(silent_at=3 if len(hired) == 1 else None)

    await site.complete(1, hire)
    assert site.keys() == ALL
    assert "hasn't answered for 5 s" in site.lines[0]


async def test_settings_that_a_machine_does_not_fit_end_its_worker(site: Site) -> None:
    """The error is the machine's own."""
    terms = ShardTerms(Conditions())
    wrong = ClusterWorker(Assignment(ShardWork(site.order, terms), {"allowed_roots": "/no/such/folder"}, ""))
    news = await wrong.exchange(None)
    assert news.ended is not None
    assert "/no/such/folder" in str(news.ended.error)
