"""Captions ahead, and engines that sleep, end or are asked back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from PIL import Image

from adapter.caption.request import CaptionRequest, question
from adapter.caption.sampling import Sampling
from adapter.captioner import guesses, speculation
from adapter.captioner.admission import Admission
from adapter.captioner.answering import Captioner
from adapter.captioner.idling import Idling
from adapter.captioner.priority import Priority
from adapter.captioner.speculation import Speculation
from adapter.engine.client import EngineClient
from adapter.engine.endpoint import Accept, Endpoint, Identity
from adapter.engine.extra_fields import PRIORITY
from adapter.engine.fleet import Fleet
from adapter.engine.status import Status, WatchedStatus
from adapter.images.preparation import Preparation
from adapter.settings import RunSettings
from adapter.trace import Trace
from tests.fake_engine import FakeEngine, completion
from tests.waiting import until

REQUEST = CaptionRequest(
    question("Describe.", "You are."), Sampling(temperature=0.0, top_p=1.0, max_tokens=9)
)
NAMES = tuple(f"{number:02}.png" for number in range(12))
MAX_AHEAD = 8


class SleepyEngine:
    """An engine of ours that sleeps and wakes at once."""

    def __init__(self, url: str) -> None:
        self.identity = Identity()
        self.status = WatchedStatus()
        self.status.update(state="ready")
        takes = frozenset((PRIORITY,))
        self.endpoint: Endpoint | None = Endpoint(EngineClient(url, 20.0), "fake", "fake", takes)
        self.may_sleep = True
        self.wakes = 0

    async def run(self, accept: Accept) -> None: ...

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return False

    async def sleep(self) -> bool:
        self.status.set(Status("asleep"))
        return True

    def wake(self) -> None:
        if self.status.value.state == "asleep":
            self.wakes += 1
            self.status.set(Status("ready"))


@dataclass
class Stage:
    """A speculation with what it stands between."""

    folder: Path
    fake: FakeEngine
    engine: SleepyEngine
    captioner: Captioner
    speculation: Speculation
    hits: list[int] = field(default_factory=list)
    misses: list[int] = field(default_factory=list)

    async def ask(self, name: str, request: CaptionRequest = REQUEST) -> str:
        """Asks for one image's caption, as a face does."""
        async with self.captioner.admit(1):
            answer = await self.speculation.ask(str(self.folder / name), request, Trace())
        return answer.text

    def asked(self, priority: Priority) -> int:
        """Gives how often the engine was asked with that priority."""
        return sum(body[PRIORITY] == priority for body in self.fake.asked)

    async def settle(self) -> None:
        """Waits until no image has a turn."""
        await until(lambda: not self.captioner.admission.in_flight and not self.fake.under_way)

    async def open_window(self) -> None:
        """Asks for three images in a row, and returns once the next two are captioned or being so."""
        for name in NAMES[:3]:
            await self.ask(name)
        await until(lambda: self.asked(Priority.AHEAD) == 2)


@pytest.fixture
async def stage(fake: tuple[FakeEngine, str], tmp_path: Path) -> AsyncIterator[Stage]:
    """Gives a speculation on an engine that may sleep, and twelve images."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        Image.new("RGB", (16, 16), (number * 20, 0, 0)).save(folder / name)
    engine = SleepyEngine(fake[1])
    captioner = Captioner(
        Fleet([engine]), Preparation(RunSettings(prepare_workers=1)), Admission(lambda: 12, 6)
    )
    found = Stage(folder, fake[0], engine, captioner, Speculation(captioner, None, 0))
    found.speculation = Speculation(
        captioner, None, MAX_AHEAD, on_hit=lambda: found.hits.append(1), on_miss=found.misses.append
    )
    yield found
    await found.speculation.close()
    await captioner.drain(0)
    assert engine.endpoint is not None
    await engine.endpoint.client.close()


async def never(request: web.Request) -> web.StreamResponse:
    """Never answers a guess."""
    if (await request.json())[PRIORITY] == Priority.AHEAD:
        await asyncio.Event().wait()
    return web.json_response(completion("a picture"))


async def test_a_release_is_not_refused_for_guesses(stage: Stage, tmp_path: Path) -> None:
    """They end with it, and don't wake the engine again; the next request does."""
    stage.fake.answer = never
    await stage.open_window()
    await Idling(stage.captioner.fleet, stage.captioner.admission, tmp_path, 0.0).release(force=False)
    await until(lambda: stage.fake.under_way == 0)
    assert (stage.engine.status.value.state, stage.engine.wakes) == ("asleep", 0)
    await stage.ask(NAMES[3])
    assert stage.engine.wakes == 1


async def test_an_engine_that_falls_asleep_is_not_woken_by_guesses(stage: Stage) -> None:
    """Those under way end, and no others begin."""
    stage.fake.answer = never
    await stage.open_window()
    await stage.engine.sleep()
    await until(lambda: stage.fake.under_way == 0)
    assert (stage.engine.wakes, stage.misses) == (0, [0, 0])


async def test_guesses_do_not_count_as_work(stage: Stage, tmp_path: Path) -> None:
    """An engine that has nothing but them to do may sleep."""
    stage.fake.answer = never
    await stage.open_window()
    idling = Idling(stage.captioner.fleet, stage.captioner.admission, tmp_path, 1e-9)
    await idling.look()
    assert stage.engine.status.value.state == "asleep"
    assert stage.engine.wakes == 0


async def test_a_kept_caption_of_another_model_is_not_given(stage: Stage) -> None:
    """The engine may be another one after a restart."""
    await stage.open_window()
    await stage.settle()
    assert stage.engine.endpoint is not None
    stage.engine.endpoint.weights = "another"
    await stage.ask(NAMES[3])
    assert (stage.hits, stage.misses, stage.asked(Priority.PERSON)) == ([], [5], 4)


async def test_a_seed_of_the_requests_own_is_that_of_its_guess(stage: Stage) -> None:
    """Requests with one seed are foreseen with that one, requests with seeds of their own not at all."""

    def seeded(seed: int) -> CaptionRequest:
        return CaptionRequest(REQUEST.messages, REQUEST.sampling.overridden(seed=seed))

    for number, name in enumerate(NAMES[:5]):
        await stage.ask(name, seeded(number))
    await stage.settle()
    assert stage.asked(Priority.AHEAD) == 0
    for name in NAMES[5:8]:
        await stage.ask(name, seeded(7))
    await until(lambda: stage.asked(Priority.AHEAD) == 2)
    await stage.ask(NAMES[8], seeded(7))
    await stage.settle()
    ahead = [body for body in stage.fake.asked if body[PRIORITY] == Priority.AHEAD]
    assert {body["seed"] for body in ahead} == {7}
    assert len(stage.hits) == 1


async def test_a_client_that_falls_silent_is_gone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its guesses under way end; it need not say so."""
    stage.fake.answer = never
    await stage.open_window()
    monkeypatch.setattr(speculation, "SILENCE_S", 0.0)
    await stage.ask(NAMES[2])  # it asks again, which foresees nothing else
    await until(lambda: stage.fake.under_way == 0)
    assert stage.misses == [0, 0]


async def test_captions_are_kept_for_a_client_that_comes_back(stage: Stage) -> None:
    """A wrong guess ends only what is under way."""
    await stage.open_window()
    await stage.settle()
    await stage.ask(NAMES[9])
    await stage.ask(NAMES[4])
    await stage.ask(NAMES[3])
    assert (stage.hits, stage.misses) == ([1, 1], [])


async def test_captions_are_not_kept_for_ever(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody has asked for counts as wasted then."""
    monkeypatch.setattr(guesses, "KEPT_S", 0.5)
    await stage.open_window()
    await until(lambda: len(stage.misses) == 2)
    await stage.ask(NAMES[3])
    assert stage.hits == []


async def test_the_oldest_captions_make_room_for_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those that no client is about to ask for."""
    monkeypatch.setattr(guesses, "MAX_KEPT", 2)
    await stage.open_window()
    await stage.settle()
    other = CaptionRequest(question("Name it.", "You are."), REQUEST.sampling)
    for name in NAMES[:3]:
        await stage.ask(name, other)
    await stage.settle()
    assert stage.asked(Priority.AHEAD) == 2
    await stage.ask(NAMES[9])  # the first client goes elsewhere, and its captions are of no use
    for name in NAMES[3:5]:
        await stage.ask(name, other)
    await until(lambda: stage.asked(Priority.AHEAD) >= 4)
    assert stage.misses[:1] == [5]


async def test_as_many_clients_are_followed_as_there_is_room_for(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was heard of last stays."""
    monkeypatch.setattr(speculation, "MAX_CLIENTS", 1)
    other = CaptionRequest(question("Name it.", "You are."), REQUEST.sampling)
    for name in NAMES[:6]:
        await stage.ask(name)
        await stage.ask(name, other)
    await stage.settle()
    assert stage.asked(Priority.AHEAD) == 0


async def test_after_its_end_nothing_is_captioned_ahead(stage: Stage) -> None:
    """Requests are answered all the same."""
    stage.fake.answer = never
    await stage.open_window()
    await stage.speculation.close()
    await until(lambda: stage.fake.under_way == 0)
    for name in NAMES[3:8]:
        assert await stage.ask(name) == "a picture"
    assert (stage.asked(Priority.AHEAD), stage.hits) == (2, [])
