"""How one running server is followed: checked, watched, and found to be lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from adapter.engine.client import ServedModel
from adapter.engine.endpoint import Endpoint
from adapter.engine.progress import ProgressReader
from adapter.engine.selfcheck import Probe
from adapter.engine.status import Status, WatchedStatus
from adapter.engine.supervision import MAX_CHECKS, Supervision
from adapter.engine_settings import EngineSettings
from tests.fake_engine import FakeEngine

# Shorter than the pause between two looks at a server that is ready: the next look finds it lost.
SHORT_S = 1.0


def accept(served: ServedModel) -> str:
    """Calls the weights what the engine calls them."""
    return served.root or served.id


@contextlib.asynccontextmanager
async def supervised(
    url: str, probe: Probe | None = None, **settings: float
) -> AsyncIterator[tuple[Supervision, WatchedStatus]]:
    """Makes a supervision of the server at `url`, with the status that it keeps."""
    status = WatchedStatus()
    supervision = Supervision(
        url,
        lambda: probe or Probe("You are.", "Say."),
        EngineSettings.load(settings),
        status,
        ProgressReader(),
        name="engine-1",
        accept=accept,
    )
    try:
        yield supervision, status
    finally:
        await supervision.close()


@contextlib.asynccontextmanager
async def followed(supervision: Supervision, *, comes_back: bool) -> AsyncIterator[asyncio.Task[str]]:
    """Follows the server while the context lasts."""
    following: asyncio.Task[str] = asyncio.create_task(supervision.follow(comes_back=comes_back))
    try:
        async with asyncio.timeout(20):
            yield following
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def is_ready(status: Status) -> bool:
    return status.ready


async def test_follow_of_a_server_that_passes_its_checks_makes_it_ready(
    served: tuple[FakeEngine, str],
) -> None:
    """Only then is there an endpoint, and a time since which there is one."""
    _, url = served
    async with supervised(url) as (supervision, status):
        assert supervision.endpoint is None
        assert supervision.ready_since_s is None
        async with followed(supervision, comes_back=False):
            ready = await status.until(is_ready)
        assert (ready.trusted, ready.progress.status) == (True, "ready")
        assert supervision.endpoint is not None
        assert (supervision.endpoint.model, supervision.endpoint.weights) == ("fake", "fake")
        assert supervision.endpoint.is_local
        assert supervision.ready_since_s is not None
        assert supervision.ready_since_s <= asyncio.get_running_loop().time()


async def test_follow_of_a_server_that_fails_every_check_ends_untrusted(
    served: tuple[FakeEngine, str],
) -> None:
    """The supervision reports each failure, and asks for a restart of the server after a few."""
    engine, url = served
    engine.sees = False
    async with supervised(url, Probe("You are.", "Say.", engine.tokens)) as (supervision, status):
        async with followed(supervision, comes_back=False) as following:
            assert await following == "untrusted"
        assert len(engine.asked) == 2 * MAX_CHECKS  # two images each
        assert (status.value.state, status.value.trusted) == ("starting", False)
        assert "Self-check of sight failed" in status.value.progress.message
        assert supervision.endpoint is None


async def test_follow_of_a_server_whose_probe_is_missing_says_so(served: tuple[FakeEngine, str]) -> None:
    """What the launch should have written can't be read, so nothing can be checked."""
    _, url = served
    status = WatchedStatus()

    def missing() -> Probe:
        raise FileNotFoundError(2, "No such file or directory", "probe.json")

    supervision = Supervision(
        url, missing, EngineSettings.load(), status, ProgressReader(), name="engine-1", accept=accept
    )
    async with followed(supervision, comes_back=False):
        failed = await status.until(lambda status: status.trusted is False)
        assert "No such file" in failed.progress.message
    await supervision.close()


async def test_follow_of_a_server_that_falls_silent_ends_lost(served: tuple[FakeEngine, str]) -> None:
    """It was ready, so it may come back once it is started again."""
    engine, url = served
    async with supervised(url, engine_silence_s=SHORT_S) as (supervision, status):
        async with followed(supervision, comes_back=False) as following:
            await status.until(is_ready)
            engine.healthy = False
            assert await following == "lost"
        assert status.value.state == "restarting"
        assert status.value.progress.message == "The engine hasn't answered for 1 s"
        assert supervision.endpoint is None


async def test_follow_of_a_server_that_hangs_ends_lost(served: tuple[FakeEngine, str]) -> None:
    """Its /health stays green while a request runs and no token is written."""
    engine, url = served
    engine.metrics = "vllm:num_requests_running 1.0\nvllm:generation_tokens_total 7.0\n"
    async with supervised(url, engine_stall_s=SHORT_S) as (supervision, status):
        async with followed(supervision, comes_back=False) as following:
            assert await following == "lost"
        assert status.value.progress.message == "The engine hangs: it has written nothing for 1 s"


async def test_follow_of_a_server_that_comes_back_goes_on(served: tuple[FakeEngine, str]) -> None:
    """Others look after it, so it is lost and ready again without an end."""
    engine, url = served
    async with (
        supervised(url, engine_silence_s=SHORT_S) as (supervision, status),
        followed(supervision, comes_back=True) as following,
    ):
        await status.until(is_ready)
        first = supervision.endpoint
        engine.healthy = False
        await status.until(lambda status: status.state == "restarting")
        assert supervision.endpoint is None
        engine.healthy = True
        await status.until(is_ready)
        assert supervision.endpoint is not first
        assert not following.done()


async def test_is_lost_asks_the_server(served: tuple[FakeEngine, str]) -> None:
    """One that answers isn't lost; one that doesn't is at once no longer ready, for everybody."""
    engine, url = served
    async with supervised(url) as (supervision, status):
        async with followed(supervision, comes_back=False):
            await status.until(is_ready)
        endpoint = supervision.endpoint
        assert endpoint is not None
        assert not await supervision.is_lost(endpoint)
        assert status.value.ready
        engine.healthy = False
        assert await asyncio.gather(*(supervision.is_lost(endpoint) for _ in range(3))) == [True] * 3
        assert supervision.endpoint is None
        assert status.value.state == "restarting"
        assert status.value.progress.message == "The engine doesn't answer"
        engine.healthy = True
        assert await supervision.is_lost(endpoint), "what was lost once doesn't come back as the same"


async def test_is_lost_of_another_endpoint_leaves_this_one_alone(served: tuple[FakeEngine, str]) -> None:
    """A request may find out late about the server that it was sent to."""
    _, url = served
    async with supervised(url) as (supervision, status):
        async with followed(supervision, comes_back=False):
            await status.until(is_ready)
        assert supervision.endpoint is not None
        older = Endpoint(supervision.endpoint.client, "fake", "fake")
        assert await supervision.is_lost(older)
        assert status.value.ready


@pytest.mark.parametrize(("state", "expected"), [("starting", "starting"), ("ready", "restarting")])
async def test_leave_tells_an_engine_that_was_ready_from_one_that_never_was(
    served: tuple[FakeEngine, str], state: str, expected: str
) -> None:
    """Only what was ready is worth waiting for."""
    _, url = served
    async with supervised(url) as (supervision, status):
        status.update(state=state)
        await supervision.leave("It ended")
        assert status.value.state == expected
        assert status.value.progress.message == "It ended"
