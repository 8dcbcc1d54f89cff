"""A run over a dataset, with a fake engine behind the real captioner."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.dataset.claims import Claims
from adapter.dataset.events import (
    CaptioningBegan,
    EngineAway,
    EngineBack,
    EngineProgressed,
    Event,
    Stopping,
    TextFailed,
    TextSkipped,
    TextWritten,
)
from adapter.dataset.item import Item
from adapter.dataset.outbox import Outbox
from adapter.dataset.pace import Pace
from adapter.dataset.planning import Job, Planned, Planner
from adapter.dataset.reading_ahead import CHUNK_S
from adapter.dataset.recipe import Recipe
from adapter.dataset.run import MAX_TRIES, Conditions, Run
from adapter.dataset.selection import Dataset
from adapter.dataset.texts.sidecars import Sidecars
from adapter.dataset.texts.text_store import Staged, Texts
from adapter.dataset.writer import Writer
from adapter.engine.deployment import fleet_for
from adapter.engine.fleet import running
from adapter.errors import EngineGoneError, InvalidRequestError, OutOfResourcesError
from adapter.images.preparation import Preparation
from adapter.images.sources import ImageLimits
from adapter.settings import RunSettings
from tests.datasets import RECIPE
from tests.fake_engine import FakeEngine, completion
from tests.waiting import until

LIMIT_S = 30


@dataclass
class Stage:
    """A dataset with an engine, and the events that its runs reported."""

    engine: FakeEngine
    dataset: Dataset
    settings: RunSettings
    events: list[Event] = field(default_factory=list)
    models: list[str | None] = field(default_factory=list)  # that plans were asked for

    @contextlib.asynccontextmanager
    async def captioner(self) -> AsyncIterator[Captioner]:
        async with running(fleet_for(self.settings, "")) as fleet:
            captioner = Captioner(fleet, Preparation(self.settings), Admission(lambda: 16, 0))
            try:
                yield captioner
            finally:
                await captioner.drain(0)

    @contextlib.contextmanager
    def run(
        self,
        recipes: Sequence[Recipe] = (RECIPE,),
        in_flight: int = 4,
        conditions: Conditions | None = None,
        *,
        items: Iterable[Item] | None = None,
        texts: Texts | None = None,
    ) -> Iterator[Run[Job]]:
        """Gives a run over those items, or all images, to be completed."""
        claims = Claims()
        texts = texts or Sidecars()

        def plan(model: str | None) -> Iterator[Planned]:
            self.models.append(model)
            planner = Planner(recipes, texts, claims, model)
            return planner.plan(self.dataset, self.dataset.input.items() if items is None else items)

        with contextlib.closing(Writer(texts)) as writer:
            yield Run(
                plan,
                Outbox(writer, claims, self.events.append),
                Pace(64, in_flight),
                captioner=self.captioner(),
                conditions=conditions or Conditions(),
                emit=self.events.append,
            )

    async def complete(self, run: Run[Job]) -> None:
        async with asyncio.timeout(LIMIT_S):
            await run.complete()

    def pictures(self, count: int) -> None:
        """Writes so many pictures, each of another shade."""
        for number in range(count):
            Image.new("RGB", (20, 10), (number % 256, number // 256, 99)).save(
                self.dataset.place(f"{number}.png")
            )

    def items(self, *names: str) -> list[Item]:
        """Gives the items of those names, in this order."""
        return [self.dataset.input.item(name) for name in names]

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


async def test_complete_of_one_image_after_the_other_tells_each_in_turn(stage: Stage) -> None:
    """Captioning begins when the first image needs it."""
    stage.pictures(4)
    Path(stage.dataset.place("0.txt")).write_text("there")
    Path(stage.dataset.place("2.png")).write_bytes(b"no image")
    with stage.run(in_flight=1, items=stage.items("0.png", "1.png", "2.png", "3.png")) as run:
        await stage.complete(run)
    told = [event for event in stage.events if not isinstance(event, EngineProgressed)]
    skipped, began, first, failed, second = told
    assert (skipped, began) == (TextSkipped("0.png"), CaptioningBegan("fake"))
    assert isinstance(first, TextWritten)
    assert isinstance(failed, TextFailed)
    assert isinstance(second, TextWritten)
    assert (first.image, failed.failure.image, second.image) == ("1.png", "2.png", "3.png")
    assert [failure.image for failure in stage.dataset.ledger.failures()] == ["2.png"]
    assert stage.models == [None]


async def test_complete_with_the_engine_first_plans_for_what_it_serves(stage: Stage) -> None:
    """What there is to be made follows from the model, where texts may be replaced."""
    stage.pictures(1)
    with stage.run(conditions=Conditions(engine_first=True)) as run:
        await stage.complete(run)
    assert stage.models == ["fake"]
    assert stage.told(CaptioningBegan) == [CaptioningBegan("fake")]


async def test_complete_tells_what_happens(stage: Stage) -> None:
    """It tells that captioning begins, and then of each text, by the names of the images."""
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


class BrokenTexts(Sidecars):
    """Text files with a bug."""

    def stage(
        self, place: str, text: str, trigger: str, seen_hash: bytes | None, marker: str = ""
    ) -> Staged | None:
        raise RuntimeError("a bug")


@pytest.mark.parametrize(
    ("recipe", "texts", "expected"),
    [
        (replace(RECIPE, trigger="\udcff"), Sidecars(), UnicodeEncodeError),
        (RECIPE, BrokenTexts(), RuntimeError),
    ],
)
async def test_a_writer_that_fails_in_an_unexpected_way_ends_the_run(
    stage: Stage, recipe: Recipe, texts: Texts, expected: type[Exception]
) -> None:
    """It raises that error, instead of hanging at the outbox, which holds far fewer than these."""
    stage.pictures(1)
    (picture,) = stage.items("0.png")
    items = [replace(picture, key=f"{number}.png") for number in range(2000)]
    with stage.run([recipe], in_flight=16, items=items, texts=texts) as run, pytest.raises(expected):
        await stage.complete(run)
    assert not stage.texts()
    assert len(stage.engine.asked) < 1500


class Unreadable:
    """The source of an image that can't be read, for a reason that isn't the image's."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def read(self, limits: ImageLimits) -> bytes:
        raise self.errors.pop(0)


async def test_a_bug_at_one_image_ends_the_run_without_loss(stage: Stage) -> None:
    """It is raised as it is, and what was finished by then is written."""
    stage.pictures(2)
    good, bad = stage.items("0.png", "1.png")
    items = [good, replace(bad, source=Unreadable(ZeroDivisionError("a bug")))]
    with stage.run(in_flight=1, items=items) as run, pytest.raises(ZeroDivisionError):
        await stage.complete(run)
    assert stage.texts() == {"0.txt"}


async def test_a_machine_that_is_short_of_something_is_given_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the end the image has failed, for a later run to try it again."""
    monkeypatch.setattr("adapter.dataset.run.SHORTAGE_S", 0.0)
    stage.pictures(1)
    (picture,) = stage.items("0.png")
    source = Unreadable(*[OutOfResourcesError("short")] * (MAX_TRIES + 1))
    with stage.run(items=[replace(picture, source=source)]) as run:
        await stage.complete(run)
    assert [failure.code for failure in stage.dataset.ledger.failures()] == ["out_of_resources"]
    assert len(source.errors) == 1


async def test_a_plan_that_fails_ends_the_run_without_loss(stage: Stage) -> None:
    """What was finished by then is written."""
    stage.pictures(1)

    def items() -> Iterator[Item]:
        yield from stage.items("0.png")
        time.sleep(CHUNK_S * 2)  # the first one is handed on with the next, after so long
        yield from stage.items("0.png", "0.png")
        written.wait(LIMIT_S)
        raise InvalidRequestError("The folder can't be read")

    written = threading.Event()
    with stage.run(items=items()) as run:
        completing = asyncio.create_task(stage.complete(run))
        await until(lambda: bool(stage.texts()))
        written.set()
        with pytest.raises(InvalidRequestError, match="can't be read"):
            await completing
    assert len(stage.told(TextWritten)) == 1


async def test_an_engine_that_is_too_busy_is_waited_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No image fails for it, however often it says so."""
    monkeypatch.setattr("adapter.dataset.patience.BREATHER_S", 0.0)
    stage.pictures(3)
    busy = True

    async def answer(request: web.Request) -> web.StreamResponse:
        nonlocal busy
        if busy and not is_check(await request.json()):
            busy = len(stage.engine.asked) < 20
            return web.Response(status=503)
        return web.json_response(completion(f"a picture {len(stage.engine.asked)}"))

    stage.engine.answer = answer
    with stage.run(in_flight=1) as run:
        await stage.complete(run)
    assert len(stage.told(TextWritten)) == 3
    assert not stage.told(TextFailed)
    assert len(stage.told(EngineAway)) == len(stage.told(EngineBack)) == 1


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


async def test_interrupt_gives_up_what_does_not_finish_in_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine that never answers holds the run up for no longer than the last chance."""
    monkeypatch.setattr("adapter.dataset.run.LAST_CHANCE_S", 0.05)
    stage.pictures(2)

    async def never(request: web.Request) -> web.StreamResponse:
        if not is_check(await request.json()):
            await asyncio.Event().wait()
        return web.json_response(completion(f"check {len(stage.engine.asked)}"))

    stage.engine.answer = never
    stage.settings = stage.settings.model_copy(update={"engine_timeout_s": 600.0})
    with stage.run() as run:
        completing = asyncio.create_task(stage.complete(run))
        await until(lambda: stage.engine.under_way == 2)
        run.interrupt()
        await completing
    assert stage.told(Stopping) == [Stopping(0.05)]
    assert not stage.told(TextFailed)
    assert not list(stage.dataset.ledger.failures())


async def test_interrupt_while_there_is_no_engine_ends_the_run(stage: Stage) -> None:
    """There is nothing to finish, so that nothing is told either."""
    stage.pictures(1)
    stage.engine.healthy = False
    with stage.run() as run:
        completing = asyncio.create_task(stage.complete(run))
        await until(lambda: bool(stage.told(EngineProgressed)))
        run.interrupt()
        await completing
    assert {type(event) for event in stage.events} == {EngineProgressed}


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
