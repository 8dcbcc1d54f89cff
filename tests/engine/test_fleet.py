"""Which engine is asked, and waiting for it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapter.engine.client import EngineClient, ServedModel
from adapter.engine.deployment import fleet_for
from adapter.engine.endpoint import Accept, Endpoint, Identity
from adapter.engine.fleet import Fleet, running
from adapter.engine.load import Load
from adapter.engine.progress import Progress
from adapter.engine.status import State, Status, WatchedStatus
from adapter.errors import EngineNotReadyError, SelfCheckError
from adapter.settings import RunSettings
from tests.fake_engine import FakeEngine
from tests.waiting import until


class SteeredEngine:
    """An engine that is as the test says."""

    def __init__(
        self,
        endpoint: Endpoint,
        error: Exception | None = None,
        name: str = "engine-1",
        url: str | None = None,
    ) -> None:
        self.identity = Identity(name, url=url)
        self.status = WatchedStatus()
        self.endpoint: Endpoint | None = None
        self.ended = False
        self._endpoint = endpoint
        self._error = error

    async def run(self, accept: Accept) -> None:
        self.accept = accept
        if self._error is not None:
            raise self._error
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True

    async def is_lost(self, endpoint: Endpoint) -> bool:
        return endpoint is not self.endpoint

    @property
    def may_sleep(self) -> bool:
        return True

    async def sleep(self) -> bool:
        self.become(Status("asleep"))
        return True

    def wake(self) -> None:
        if self.status.value.state == "asleep":
            self.become(Status("starting", waking=True))

    def become(self, status: Status) -> None:
        self.endpoint = self._endpoint if status.ready else None
        self.status.set(status)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    """Gives an endpoint that nobody asks."""
    client = EngineClient("http://127.0.0.1:1", 1.0)
    yield Endpoint(client, "fake", "fake")
    await client.close()


async def test_endpoint_of_an_engine_that_is_ready_is_given_at_once(endpoint: Endpoint) -> None:
    """It may be asked whether that engine is lost."""
    engine = SteeredEngine(endpoint)
    fleet = Fleet([engine])
    engine.become(Status("ready"))
    assert await fleet.endpoint() is endpoint
    assert not await fleet.is_lost(endpoint)
    engine.become(Status("restarting"))
    assert await fleet.is_lost(endpoint)


@pytest.mark.parametrize("state", ["starting", "failed"])
async def test_endpoint_of_an_engine_that_will_not_be_back_is_not_waited_for(
    endpoint: Endpoint, state: str
) -> None:
    """One that never was ready may take very long, and one that failed never comes back."""
    engine = SteeredEngine(endpoint)
    engine.become(Status(state, Progress(message="Installing")))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        with pytest.raises(EngineNotReadyError, match="The engine isn't ready: Installing"):
            await Fleet([engine]).endpoint(3600.0)


async def test_endpoint_of_an_engine_that_restarts_is_waited_for(endpoint: Endpoint) -> None:
    """All who wait get it once it is ready, and nobody who can't wait does."""
    engine = SteeredEngine(endpoint)
    fleet = Fleet([engine])
    engine.become(Status("restarting", Progress(message="Out of memory")))
    told = r"The engine stopped and starts again \(0 s\): out of memory"
    with pytest.raises(EngineNotReadyError, match=told):
        await fleet.endpoint(0)
    with pytest.raises(EngineNotReadyError, match=told):
        await fleet.endpoint(0.01)
    waiting = [asyncio.create_task(fleet.endpoint(3600.0)) for _ in range(3)]
    await asyncio.sleep(0)  # they wait now
    engine.become(Status("restarting", Progress(message="Loading")))
    engine.become(Status("ready"))
    async with asyncio.timeout(20):
        assert await asyncio.gather(*waiting) == [endpoint] * 3


async def test_endpoint_of_an_engine_that_fails_meanwhile_is_given_up(endpoint: Endpoint) -> None:
    """Nobody waits to the end of his time for what can't come back."""
    engine = SteeredEngine(endpoint)
    engine.become(Status("restarting"))
    waiting = asyncio.create_task(Fleet([engine]).endpoint(3600.0))
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("failed", Progress(message="Out of memory")))
    async with asyncio.timeout(20):
        with pytest.raises(EngineNotReadyError, match="Out of memory"):
            await waiting


async def test_until_ready_returns_for_an_engine_that_failed_too(endpoint: Endpoint) -> None:
    """Whoever waits for the first start has to learn that it came to nothing."""
    engine = SteeredEngine(endpoint)
    waiting = asyncio.create_task(Fleet([engine]).until_ready())
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("failed"))
    async with asyncio.timeout(20):
        assert (await waiting).state == "failed"


async def test_changed_gives_the_status_after_the_next_change(endpoint: Endpoint) -> None:
    """Displays follow an engine by it."""
    engine = SteeredEngine(endpoint)
    waiting = asyncio.create_task(Fleet([engine]).changed())
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("starting", Progress(message="Loading")))
    async with asyncio.timeout(20):
        assert (await waiting).progress.message == "Loading"


async def test_running_ends_the_engine_with_the_context(endpoint: Endpoint) -> None:
    """The engine has put everything away by then."""
    engine = SteeredEngine(endpoint)
    async with running(Fleet([engine])):
        await asyncio.sleep(0)  # it runs now
        assert not engine.ended
    assert engine.ended


async def test_running_of_an_engine_with_a_bug_raises_it(endpoint: Endpoint) -> None:
    """What nobody foresaw isn't lost with the task that it ended."""
    engine = SteeredEngine(endpoint, ValueError("a bug"))
    with pytest.raises(ValueError, match="a bug"):
        async with running(Fleet([engine])):
            await asyncio.sleep(0)  # it ends now


async def test_fleet_for_a_url_finds_the_engine_there(served: tuple[FakeEngine, str]) -> None:
    """It is checked with the system prompt of the service, since its reference isn't known."""
    fake, url = served
    async with (
        asyncio.timeout(20),
        running(fleet_for(RunSettings.load({"engine_url": url}), "You are.")) as fleet,
    ):
        assert (await fleet.until_ready()).ready
        assert (await fleet.endpoint()).model == "fake"
    assert {body["messages"][0]["content"] for body in fake.asked} == {"You are."}


# --- Several engines ------------------------------------------------------------------------------------


@pytest.fixture
async def engines() -> AsyncIterator[list[SteeredEngine]]:
    """Gives three engines, none of them ready."""
    clients = [EngineClient(f"http://127.0.0.1:{number}", 1.0) for number in (1, 2, 3)]
    yield [
        SteeredEngine(Endpoint(client, "fake", "fake"), name=f"engine-{number}")
        for number, client in enumerate(clients, 1)
    ]
    for client in clients:
        await client.close()


async def test_endpoint_of_several_is_the_one_with_the_fewest_requests(engines: list[SteeredEngine]) -> None:
    """Among equals it is the one that was asked least, so that each has its share."""
    fleet = Fleet(engines)
    engines[0].become(Status("ready"))
    engines[2].become(Status("ready"))
    assert fleet.ready_count == 2
    first = await fleet.endpoint()
    with first.held():
        second = await fleet.endpoint()
        assert second is not first
        with second.held():
            pass
        assert await fleet.endpoint() is second
    with second.held():
        pass
    assert await fleet.endpoint() is first, "it was asked once, the other twice"


async def test_endpoint_while_another_restarts_is_given_at_once(engines: list[SteeredEngine]) -> None:
    """Nobody waits for an engine while there is another one."""
    fleet = Fleet(engines)
    engines[0].become(Status("restarting"))
    engines[1].become(Status("ready"))
    async with asyncio.timeout(20):
        assert await fleet.endpoint(3600.0) is engines[1].endpoint


async def test_is_lost_asks_the_engine_that_it_is_about(engines: list[SteeredEngine]) -> None:
    """An endpoint that is no engine's any more is lost."""
    fleet = Fleet(engines)
    for engine in engines:
        engine.become(Status("ready"))
    endpoint = engines[1].endpoint
    assert endpoint is not None
    assert not await fleet.is_lost(endpoint)
    engines[1].become(Status("restarting"))
    assert await fleet.is_lost(endpoint)
    assert fleet.status.ready


@pytest.mark.parametrize(
    ("states", "state", "message"),
    [
        (("starting", "ready", "failed"), "ready", "I am ready"),
        (
            ("failed", "restarting", "starting"),
            "restarting",
            "engine-2: The engine stopped and starts again (0 s): i am restarting",
        ),
        (("failed", "asleep", "starting"), "starting", "engine-3: I am starting"),
        (("failed", "failed", "asleep"), "asleep", "engine-3: I am asleep"),
        (("failed", "failed", "failed"), "failed", "engine-1: I am failed"),
    ],
)
async def test_status_of_several_is_that_of_the_furthest(
    engines: list[SteeredEngine], states: tuple[State, ...], state: str, message: str
) -> None:
    """Its message says whose it is, unless it is ready."""
    fleet = Fleet(engines)
    for engine, each in zip(engines, states, strict=True):
        engine.become(Status(each, Progress(message=f"I am {each}")))
    assert (fleet.status.state, fleet.status.progress.message) == (state, message)


async def test_changed_tells_of_each_engine(engines: list[SteeredEngine]) -> None:
    """A change that leaves the whole as it is counts as well: there is more room now."""
    fleet = Fleet(engines)
    told: list[int] = []
    fleet.listen(lambda: told.append(fleet.ready_count))
    for engine in engines:
        engine.become(Status("ready"))
    assert told == [1, 2, 3]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("ready", "failed"), True),
        (("asleep", "failed"), True),
        (("restarting", "failed"), True),
        (("starting", "failed"), False),
        (("failed", "failed"), False),
    ],
)
async def test_expects_captions_while_a_request_would_get_one(
    engines: list[SteeredEngine], states: tuple[State, ...], expected: bool
) -> None:
    """Requests are held for an engine of our own until it is back or given up."""
    fleet = Fleet(engines[:2])
    for engine, state in zip(engines[:2], states, strict=True):
        engine.become(Status(state))
    assert fleet.expects_captions(30.0) is expected
    assert fleet.expects_captions(0.0) is expected


async def test_expects_captions_of_an_engine_that_others_look_after_for_a_time(endpoint: Endpoint) -> None:
    """Nobody knows whether it comes back."""
    engine = SteeredEngine(endpoint, url="http://far")
    fleet = Fleet([engine])
    engine.become(Status("restarting"))
    assert fleet.expects_captions(30.0)
    assert not fleet.expects_captions(0.0)
    assert not fleet.restarts_own
    with pytest.raises(EngineNotReadyError):
        await fleet.endpoint(0.01, outlasts_restarts=True)


async def test_endpoint_that_outlasts_restarts_has_no_limit(endpoint: Endpoint) -> None:
    """The engine is back some time, or it is given up."""
    engine = SteeredEngine(endpoint)
    fleet = Fleet([engine])
    engine.become(Status("restarting"))
    waiting = asyncio.create_task(fleet.endpoint(outlasts_restarts=True))
    engine.become(Status("restarting", Progress(message="Loading")))
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("ready"))
    async with asyncio.timeout(20):
        assert await waiting is endpoint
    engine.become(Status("restarting"))
    waiting = asyncio.create_task(fleet.endpoint(outlasts_restarts=True))
    await asyncio.sleep(0)  # it waits now
    engine.become(Status("failed"))
    async with asyncio.timeout(20):
        with pytest.raises(EngineNotReadyError):
            await waiting


async def test_expects_captions_of_an_engine_that_wakes(engines: list[SteeredEngine]) -> None:
    """Its first start is nothing to wait for, but this one is."""
    fleet = Fleet(engines[:1])
    engines[0].become(Status("starting", waking=True))
    assert fleet.expects_captions(0.0)


async def test_endpoint_of_engines_that_are_asleep_wakes_them(engines: list[SteeredEngine]) -> None:
    """The request waits for the first that is ready."""
    fleet = Fleet(engines)
    assert await fleet.sleep()
    waiting = asyncio.create_task(fleet.endpoint(3600.0))
    await asyncio.sleep(0)  # it waits now
    assert {engine.status.value.state for engine in engines} == {"starting"}
    engines[0].become(Status("asleep", Progress(message="It couldn't be started")))
    engines[2].become(Status("ready"))
    async with asyncio.timeout(20):
        assert await waiting is engines[2].endpoint


async def test_endpoint_of_engines_that_can_not_be_woken_is_given_up(engines: list[SteeredEngine]) -> None:
    """The request is told why."""
    fleet = Fleet(engines[:1])
    await fleet.sleep()
    waiting = asyncio.create_task(fleet.endpoint(3600.0))
    await asyncio.sleep(0)  # it waits now
    engines[0].become(Status("asleep", Progress(message="Out of memory")))
    async with asyncio.timeout(20):
        with pytest.raises(EngineNotReadyError, match="Out of memory"):
            await waiting


async def test_run_accepts_no_second_model(engines: list[SteeredEngine]) -> None:
    """A line says which differs. The same one may lie in another folder on each machine."""
    fleet = Fleet(engines)
    async with running(fleet):
        await until(lambda: hasattr(engines[1], "accept"))
        accept = engines[1].accept
        assert accept(ServedModel(id="any")) == "any", "nobody else is ready"
        engines[0].become(Status("ready"))
        assert engines[0].endpoint is not None
        engines[0].endpoint.weights = "/models/joycaption"
        assert accept(ServedModel(id="x", root="/other/joycaption/")) == "/models/joycaption"
        with pytest.raises(
            SelfCheckError, match="It serves /other/llava, and the other engines serve /models"
        ):
            accept(ServedModel(id="x", root="/other/llava"))


async def test_load_is_that_of_all_that_tell(engines: list[SteeredEngine]) -> None:
    """Nobody listens at these, so nothing is known."""
    fleet = Fleet(engines)
    assert await fleet.load() is None
    for engine in engines:
        engine.become(Status("ready"))
    assert await fleet.load() is None


async def test_load_sums_up(served: tuple[FakeEngine, str]) -> None:
    """The run's pace follows all engines together."""
    fake, url = served
    fake.metrics = "vllm:num_requests_running 2.0\nvllm:num_requests_waiting 1.0\n"
    urls = f"{url},{url.replace('127.0.0.1', 'localhost')}"
    async with asyncio.timeout(20), running(fleet_for(RunSettings.load({"engine_url": urls}), "")) as fleet:
        while fleet.ready_count < 2:
            await fleet.changed()
        assert await fleet.load() == Load(4, 2)
