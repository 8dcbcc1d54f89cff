"""A run over a dataset, with a fake engine behind the real captioner."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.dataset.claims import Claims
from adapter.dataset.events import CaptioningBegan, Event, Stopping, TextFailed, TextSkipped, TextWritten
from adapter.dataset.outbox import Outbox
from adapter.dataset.pace import Pace
from adapter.dataset.planning import Planned, Planner
from adapter.dataset.recipe import Recipe
from adapter.dataset.run import MAX_TRIES, Conditions, Run
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.writer import Writer
from adapter.engine.fleet import fleet_for, running
from adapter.errors import EngineGoneError
from adapter.images.preparation import Preparation
from adapter.settings import RunSettings
from tests.datasets import RECIPE
from tests.fake_engine import FakeEngine, completion
from tests.waiting import until

LIMIT_S = 30


@dataclass
class Stage:
    """A dataset with an engine, and what was told of the runs over it."""

    engine: FakeEngine
    dataset: Dataset
    settings: RunSettings
    events: list[Event] = field(default_factory=list)

    @contextlib.asynccontextmanager
    async def captioner(self) -> AsyncIterator[Captioner]:
        async with running(fleet_for(self.settings, "")) as fleet:
            captioner = Captioner(fleet, Preparation(self.settings), Admission(16, 0))
            try:
                yield captioner
            finally:
                await captioner.drain(0)

    @contextlib.contextmanager
    def run(
        self, recipes: Sequence[Recipe] = (RECIPE,), in_flight: int = 4, conditions: Conditions | None = None
    ) -> Iterator[Run]:
        """Gives a run over all images, to be completed."""
        claims = Claims()

        def plan(model: str | None) -> Iterator[Planned]:
            return Planner(recipes, Sidecars(), claims, model).plan(self.dataset, self.dataset.input.items())

        with contextlib.closing(Writer(Sidecars())) as writer:
            yield Run(
                plan,
                Outbox(writer, claims, self.events.append),
                claims,
                Pace(64, in_flight),
                captioner=self.captioner(),
                conditions=conditions or Conditions(),
                emit=self.events.append,
            )

    async def complete(self, run: Run) -> None:
        async with asyncio.timeout(LIMIT_S):
            await run.complete()

    def pictures(self, count: int) -> None:
        """Writes so many pictures, each of another shade."""
        for number in range(count):
            Image.new("RGB", (20, 10), (number % 256, number // 256, 99)).save(
                self.dataset.place(f"{number}.png")
            )

    def texts(self) -> set[str]:
        return {path.name for path in Path(self.dataset.input.root).glob("*.txt")}

    def told(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
async def stage(dataset: Dataset) -> AsyncIterator[Stage]:
    engine = FakeEngine()
    server = await engine.start()
    url = str(server.make_url(""))
    yield Stage(engine, dataset, RunSettings.load({"engine_url": url, "engine_timeout_s": 1}))
    await server.close()


def is_check(body: dict[str, object]) -> bool:
    """Tells whether it is the self-check that asks."""
    return body["max_tokens"] != RECIPE.sampling.max_tokens


async def test_complete_tells_what_happens(stage: Stage) -> None:
    """First that captioning begins, then each text, by the names of the images."""
    stage.pictures(3)
    Path(stage.dataset.place("1.txt")).write_text("there")
    with stage.run() as run:
        await stage.complete(run)
    assert stage.texts() == {"0.txt", "1.txt", "2.txt"}
    assert stage.told(CaptioningBegan) == [CaptioningBegan("fake")]
    assert stage.told(TextSkipped) == [TextSkipped("1.png")]
    written = [event for event in stage.events if isinstance(event, TextWritten)]
    assert {event.image for event in written} == {"0.png", "2.png"}
    assert all(event.answer.text.startswith("a picture") for event in written)
    assert not run.interrupted


async def test_complete_without_anything_to_do_asks_no_engine(stage: Stage) -> None:
    """The engine is asked for when the first image needs a caption."""
    stage.pictures(1)
    Path(stage.dataset.place("0.txt")).write_text("there")
    with stage.run() as run:
        await stage.complete(run)
    assert stage.events == [TextSkipped("0.png")]
    assert not stage.engine.asked


async def test_complete_stops_at_the_limit(stage: Stage) -> None:
    """So many images are captioned, and what is under way then is finished."""
    stage.pictures(9)
    with stage.run(conditions=Conditions(limit=5)) as run:
        await stage.complete(run)
    assert len(stage.texts()) == 5


async def test_a_writer_that_fails_in_an_unexpected_way_ends_the_run(stage: Stage) -> None:
    """It raises that error, instead of hanging at its full queue."""
    stage.pictures(300)
    with stage.run([replace(RECIPE, trigger="\udcff")]) as run, pytest.raises(UnicodeEncodeError):
        await stage.complete(run)
    assert not stage.texts()


async def test_an_engine_that_takes_too_long_fails_the_image_after_one_try(stage: Stage) -> None:
    """A second try would take as long."""
    stage.pictures(1)
    asked = 0

    async def never(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        if is_check(await request.json()):
            return web.json_response(completion(f"check {len(stage.engine.asked)}"))
        asked += 1
        await asyncio.Event().wait()
        raise AssertionError

    stage.engine.answer = never
    with stage.run() as run:
        await stage.complete(run)
    (failed,) = (event for event in stage.events if isinstance(event, TextFailed))
    assert failed.failure.code == "engine_timeout"
    assert asked == 1


async def test_an_engine_that_fails_is_asked_a_few_times(stage: Stage) -> None:
    """After that the image has failed, and the next one has its turn."""
    stage.pictures(2)
    asked = 0

    async def broken(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        if is_check(await request.json()):
            return web.json_response(completion(f"check {len(stage.engine.asked)}"))
        asked += 1
        return web.Response(status=500)

    stage.engine.answer = broken
    with stage.run(in_flight=1) as run:
        await stage.complete(run)
    codes = [event.failure.code for event in stage.events if isinstance(event, TextFailed)]
    assert codes == ["engine", "engine"]
    assert asked == 2 * MAX_TRIES


async def test_what_is_wrong_with_an_image_fails_all_of_its_texts(stage: Stage) -> None:
    """It is decoded once."""
    Path(stage.dataset.place("bad.png")).write_bytes(b"no image")
    recipes = [replace(RECIPE, style=style) for style in ("x", "y")]
    with stage.run(recipes) as run:
        await stage.complete(run)
    failures = [event.failure for event in stage.events if isinstance(event, TextFailed)]
    assert [(failure.output, failure.code) for failure in failures] == [
        ("bad.x.txt", "not_an_image"),
        ("bad.y.txt", "not_an_image"),
    ]


async def test_interrupt_lets_what_is_under_way_finish(stage: Stage) -> None:
    """A second one gives it up; both leave the rest to a later run."""
    stage.pictures(6)
    go_on = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        if not is_check(await request.json()):
            await go_on.wait()
        return web.json_response(completion(f"a picture {len(stage.engine.asked)}"))

    stage.engine.answer = wait
    for last_chance in (True, False):
        stage.events.clear()
        with stage.run(in_flight=2) as run:
            completing = asyncio.create_task(stage.complete(run))
            await until(lambda: stage.engine.under_way == 2)
            run.interrupt()
            assert len(stage.told(Stopping)) == 1
            if last_chance:
                go_on.set()
            else:
                run.interrupt()
            await completing
        assert run.interrupted
        assert len(stage.told(TextWritten)) == (2 if last_chance else 0)
        assert len(stage.texts()) == 2
        go_on.clear()
        await until(lambda: stage.engine.under_way == 0)


async def test_an_engine_that_stays_away_ends_the_run_without_loss(stage: Stage) -> None:
    """What was finished by then is written and recorded."""
    stage.pictures(10)

    async def breaks(request: web.Request) -> web.StreamResponse:
        if not is_check(await request.json()) and len(stage.engine.asked) > 6:
            stage.engine.healthy = False
            return web.Response(status=503)
        return web.json_response(completion(f"a picture {len(stage.engine.asked)}"))

    stage.engine.answer = breaks
    with stage.run(in_flight=1, conditions=Conditions(patience_s=1)) as run, pytest.raises(EngineGoneError):
        await stage.complete(run)
    written = {event.image for event in stage.events if isinstance(event, TextWritten)}
    assert 0 < len(written) < 10
    assert stage.texts() == {name.replace("png", "txt") for name in written}
    assert {entry.image for entry in stage.dataset.ledger.entries()} == written
