"""Engines that nobody needs, and a GPU that is asked back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapter.captioner.admission import Admission
from adapter.captioner.idling import Idling
from adapter.engine.client import EngineClient
from adapter.engine.endpoint import Accept, Endpoint, Identity
from adapter.engine.fleet import Fleet
from adapter.engine.leases import held
from adapter.engine.status import Status, WatchedStatus
from adapter.errors import ReleasedError, ReleaseRefusedError

IDLE_S = 600.0


class SleepyEngine:
    """An engine that sleeps and wakes at once, unless it isn't ours."""

    def __init__(self, *, ours: bool = True) -> None:
        self.identity = Identity()
        self.status = WatchedStatus()
        self.status.update(state="ready")
        self.endpoint: Endpoint | None = Endpoint(EngineClient("http://127.0.0.1:1", 1.0), "fake", "fake")
        self._ours = ours

    async def run(self, accept: Accept) -> None: ...

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return False

    @property
    def may_sleep(self) -> bool:
        return self._ours

    async def sleep(self) -> bool:
        if self._ours:
            self.status.set(Status("asleep"))
        return self._ours

    def wake(self) -> None:
        if self.status.value.state == "asleep":
            self.status.set(Status("ready"))

    @property
    def state(self) -> str:
        return self.status.value.state


@dataclass
class Stage:
    engine: SleepyEngine
    admission: Admission
    idling: Idling
    leases: Path


@pytest.fixture
async def stage(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Gives an engine that is ready, and who watches it. A parameter says that it isn't ours."""
    tmp_path.chmod(0o700)
    engine = SleepyEngine(ours=getattr(request, "param", True))
    admission = Admission(lambda: 4, 10)
    yield Stage(engine, admission, Idling(Fleet([engine]), admission, tmp_path, IDLE_S), tmp_path)
    assert engine.endpoint is not None
    await engine.endpoint.client.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Gives the seconds that have passed, for the test to change."""
    began = time.monotonic()
    passed = [0.0]
    monkeypatch.setattr("adapter.captioner.idling.time.monotonic", lambda: began + passed[0])
    return passed


async def test_look_after_long_enough_without_work_puts_the_engine_to_sleep(
    stage: Stage, clock: list[float]
) -> None:
    """It isn't put to sleep before."""
    await stage.idling.look()
    clock[0] = IDLE_S - 1
    await stage.idling.look()
    assert stage.engine.state == "ready"
    clock[0] = IDLE_S + 1
    await stage.idling.look()
    assert stage.engine.state == "asleep"


async def test_look_while_there_is_work_counts_anew(stage: Stage, clock: list[float]) -> None:
    """A request that waits is work, and so is somebody's lease."""
    for work in (stage.admission.room(1), held(stage.leases, "a run")):
        with work:
            clock[0] += IDLE_S * 2
            await stage.idling.look()
        clock[0] += IDLE_S - 1
        await stage.idling.look()
        assert stage.engine.state == "ready"


async def test_look_while_the_engine_loads_counts_anew(stage: Stage, clock: list[float]) -> None:
    """Nobody could have asked it."""
    stage.engine.status.update(state="starting")
    clock[0] = IDLE_S * 2
    await stage.idling.look()
    stage.engine.status.update(state="ready")
    await stage.idling.look()
    assert stage.engine.state == "ready"


async def test_look_with_a_lease_wakes_the_engine(stage: Stage) -> None:
    """A dataset run that finds it asleep has no other way to ask."""
    await stage.idling.release(force=False)
    await stage.idling.look()
    assert stage.engine.state == "asleep"
    with held(stage.leases, "a run"):
        await stage.idling.look()
        assert stage.engine.state == "ready"


async def test_watch_goes_on_until_it_is_cancelled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks again and again."""
    monkeypatch.setattr("adapter.captioner.idling.LOOK_S", 0.001)
    watching = asyncio.create_task(stage.idling.watch())
    await stage.engine.sleep()
    async with asyncio.timeout(20):
        with held(stage.leases, "a run"):
            await stage.engine.status.until(lambda status: status.ready)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


@pytest.mark.parametrize("stage", [False], indirect=True)
async def test_release_of_an_engine_that_others_look_after_is_refused(stage: Stage) -> None:
    """It isn't ours to end."""

    async def work() -> None:
        with stage.admission.room(1), stage.admission.at_work():
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)  # it works now
    with pytest.raises(ReleaseRefusedError, match="others are ended by who started them"):
        await stage.idling.release(force=True)
    assert stage.engine.state == "ready"
    assert not working.done(), "for nothing that would be gained"
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def test_release_while_somebody_is_at_work_says_who(stage: Stage) -> None:
    """The engine goes on."""
    refused = pytest.raises(ReleaseRefusedError, match=r"at work for 3 requests, a dataset run; force ends")
    with stage.admission.room(3), held(stage.leases, "a dataset run"), refused:
        await stage.idling.release(force=False)
    assert stage.engine.state == "ready"


async def test_release_by_force_ends_what_is_under_way(stage: Stage) -> None:
    """Requests get an error; a lease that was there doesn't wake the engine again, and a new one does."""

    async def work() -> None:
        with stage.admission.room(1), stage.admission.at_work():
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)  # it works now
    with contextlib.ExitStack() as leases:
        leases.enter_context(held(stage.leases, "a run"))
        await stage.idling.release(force=True)
        with pytest.raises(ReleasedError):
            await working
        await stage.idling.look()
        assert stage.engine.state == "asleep"
        leases.enter_context(held(stage.leases, "another run"))
        await stage.idling.look()
        assert stage.engine.state == "ready"
