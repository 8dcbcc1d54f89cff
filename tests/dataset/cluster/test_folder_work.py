"""Slices of a folder, captioned by workers in this process, with a fake engine."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from adapter.dataset.cluster.backlog import Backlog
from adapter.dataset.cluster.cluster_worker import Assignment, ClusterWorker
from adapter.dataset.cluster.crew import Crew
from adapter.dataset.cluster.folder_work import MAX_SLICE, MIN_SLICE, FolderWork, Slice, SliceEnds, slices_for
from adapter.dataset.cluster.worker_ledgers import take_over
from adapter.dataset.decide import Existing
from adapter.dataset.events import Event, SliceDone, TextFailed, TextSkipped, TextWritten
from adapter.dataset.inputs.share import Share
from adapter.dataset.item import Item
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.order import Order
from adapter.dataset.planning import Job, Task
from adapter.dataset.records import Failure
from adapter.dataset.run import Conditions
from adapter.dataset.selection import Dataset, Selection
from adapter.dataset.tally import Tally
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.work import Settled
from adapter.errors import InvalidRequestError
from adapter.images.sources import ImageFile
from tests.datasets import RECIPE, answer_of, dataset_in
from tests.fake_engine import FakeEngine
from tests.workers import WorkerHere

LIMIT_S = 60
COUNT, SLICES = 24, 4


@pytest.mark.parametrize(
    ("images", "workers", "slices"),
    [
        (0, 2, 1),
        (MIN_SLICE, 64, 1),
        (MIN_SLICE * 5, 64, 5),
        (20 * MAX_SLICE, 2, 20),
        (20 * MAX_SLICE + 1, 2, 21),
        (20 * MAX_SLICE, 64, 512),
        (10_000_000, 8, 1000),
    ],
)
def test_slices_are_small_enough_that_workers_end_together(images: int, workers: int, slices: int) -> None:
    """And never larger than MAX_SLICE, about."""
    assert slices_for(images, workers) == slices


@dataclass
class Site:
    """A folder below another one, which has the ledger, and all that is needed to caption it."""

    folder: Path
    url: str
    ledger: Ledger
    engine: FakeEngine
    existing: Existing = Existing.SKIP
    tally: Tally = field(default_factory=Tally)
    lines: list[str] = field(default_factory=list)

    @property
    def work(self) -> FolderWork:
        order = Order(
            Selection((str(self.folder),)), (RECIPE,), Sidecars(self.existing), Conditions(engine_first=True)
        )
        return FolderWork(order, str(self.folder), str(self.folder.parent), self.ledger.marker)

    def worker(self, lost_at: int | None = None) -> WorkerHere:
        chosen = {"prepare_workers": 1, "run_dir": self.folder.parent / "run"}
        return WorkerHere(ClusterWorker(Assignment(self.work, chosen, ""), (self.url,)), lost_at, None)

    async def complete(self, size: int, *lost_at: int) -> None:
        """Works through the folder, with workers that are lost at those exchanges before others come."""
        losses = list(lost_at)
        work = self.work
        backlog = Backlog(self.tally, lambda _: None, work.part_of, work.output_of)
        crew = Crew(
            size,
            lambda _: self.worker(losses.pop(0) if losses else None),
            backlog,
            parts="slices",
            hear=lambda *_: None,
            notice=self.lines.append,
            place_s=5.0,
        )
        for index in range(SLICES):
            backlog.add(Slice(str(self.folder), Share(index + 1, SLICES)))
        backlog.complete()
        async with asyncio.timeout(LIMIT_S):
            await crew.complete()
        assert backlog.finished.is_set()

    def texts(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in self.folder.rglob("*.txt")}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    engine = FakeEngine()
    server = await engine.start()
    folder = tmp_path / "pictures"
    for number in range(COUNT):
        path = folder / f"deep{number % 3}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 9, 99)).save(path)
    with contextlib.closing(Ledger.open(ledger_path(str(tmp_path)))) as ledger:
        yield Site(folder, str(server.make_url("")), ledger, engine)
    await server.close()


ALL = {str(number) for number in range(COUNT)}


async def test_workers_divide_a_folder(site: Site) -> None:
    """The ledger of the folder above knows all texts afterwards, by their names from there."""
    await site.complete(2)
    assert set(site.texts()) == ALL
    assert (site.tally.done, site.tally.skipped) == (COUNT, 0)
    assert take_over(site.ledger) == 0
    assert (
        site.ledger.lookup(["pictures/deep1/4.txt"])["pictures/deep1/4.txt"].image == "pictures/deep1/4.png"
    )
    assert len(list(site.ledger.entries())) == COUNT


async def test_a_failure_is_told_once_and_keeps_no_slice_open(site: Site) -> None:
    """It is in the ledger as well."""
    (site.folder / "broken.png").write_bytes(b"no image")
    await site.complete(2)
    assert (site.tally.done, site.tally.failed) == (COUNT, 1)
    take_over(site.ledger)
    assert [failure.image for failure in site.ledger.failures()] == ["pictures/broken.png"]


async def test_what_a_lost_worker_has_made_is_not_made_again(site: Site) -> None:
    """Not even where texts are to be replaced: its ledger is read by whoever comes next."""
    site.existing = Existing.OVERWRITE
    for path in list(site.folder.rglob("*.png")):
        path.with_suffix(".txt").write_text("from before")
    await site.complete(1, 6)
    assert "others do" in site.lines[0]
    assert "slices" in site.lines[0]
    assert not {"from before"} & set(site.texts().values())
    assert site.tally.done + site.tally.skipped == COUNT
    asked = len(site.engine.asked)
    site.tally = Tally()
    await site.complete(2)
    assert (site.tally.done, site.tally.skipped) == (0, COUNT)
    assert len(site.engine.asked) - asked <= 2 * 4  # self-checks


async def test_a_text_that_was_edited_after_a_worker_wrote_it_stays(site: Site) -> None:
    """Whether the worker's ledger was taken over or not."""
    site.existing = Existing.OVERWRITE
    await site.complete(2)
    edited = site.folder / "deep0" / "3.txt"
    edited.write_text("by hand")
    for is_over in (False, True):
        if is_over:
            take_over(site.ledger)
        site.tally = Tally()
        await site.complete(2)
        assert edited.read_text() == "by hand"
        assert (site.tally.edited, site.tally.skipped) == (1, COUNT - 1)


async def test_a_machine_that_sees_another_folder_there_says_so(site: Site, tmp_path: Path) -> None:
    """An empty mount point would look like a folder that is done."""
    other = FolderWork(site.work.order, str(site.folder), str(tmp_path / "elsewhere"), site.ledger.marker)
    for work in (other, FolderWork(site.work.order, str(site.folder), str(tmp_path), "another marker")):
        news = await ClusterWorker(Assignment(work, {}, ""), (site.url,)).exchange(None)
        assert news.ended is not None
        assert isinstance(news.ended.error, InvalidRequestError)
        assert f"doesn't see the folder {site.folder}" in news.ended.error.message
    assert not (tmp_path / "elsewhere").exists()


def test_a_slice_ends_with_its_last_text(site: Site) -> None:
    """Other slices may be under way."""
    told: list[Event] = []
    ends = SliceEnds(told.append, lambda image: image[0])
    dataset = dataset_in(site.folder, site.ledger)
    first = list(ends.awaited("a", [Settled(TextSkipped("a0")), job(dataset, "a1"), job(dataset, "a2")]))
    second = list(ends.awaited("b", [job(dataset, "b1")]))
    assert first[-1] == Settled(SliceDone("a"))
    ends.take(TextSkipped("a0"))
    ends.take(TextWritten("a1", answer_of("a cat")))
    ends.take(SliceDone("a"))
    ends.take(SliceDone("b"))
    assert SliceDone("a") not in told
    ends.take(TextFailed(Failure("a2", "a2.txt", "image", "broken", 0.0)))
    assert told[-1] == SliceDone("a")
    ends.take(TextWritten("b1", answer_of("a dog")))
    assert told[-1] == SliceDone("b")
    assert len(second) == 2
    assert list(ends.awaited("c", [])) == [Settled(SliceDone("c"))]
    ends.take(SliceDone("c"))
    assert told[-1] == SliceDone("c")


def job(dataset: Dataset, name: str) -> Job:
    path = os.path.join(dataset.input.root, name)
    return Job(Item(name, ImageFile(path), lambda: None), dataset, (Task(RECIPE, f"{name}.txt", None),))
