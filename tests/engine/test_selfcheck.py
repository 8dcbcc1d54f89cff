"""How an engine is found out that can't be trusted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from adapter.engine.client import EngineClient
from adapter.engine.selfcheck import Probe, check
from adapter.errors import SelfCheckError
from tests.fake_engine import IMAGE_TOKEN, FakeEngine, completion


@pytest.fixture
async def fake() -> AsyncIterator[tuple[FakeEngine, EngineClient]]:
    engine = FakeEngine()
    server = await engine.start()
    client = EngineClient(str(server.make_url("")).rstrip("/"), timeout_s=5.0)
    yield engine, client
    await client.close()
    await server.close()


def probe(ids: list[int] | None = None) -> Probe:
    return Probe("system", "prompt", ids)


async def test_check_of_a_good_engine_passes(fake: tuple[FakeEngine, EngineClient]) -> None:
    """It passes with the reference's ids and without any."""
    engine, client = fake
    await check(client, "fake", probe(engine.tokens))
    await check(client, "fake", probe())


async def test_check_of_other_tokens_names_the_place(fake: tuple[FakeEngine, EngineClient]) -> None:
    """A wrong template makes five stray tokens."""
    engine, client = fake
    with pytest.raises(SelfCheckError, match=r"tokens failed: .* differ from number 65 on"):
        await check(client, "fake", probe([*engine.tokens[:-1], 9, 9, 9, 9, 9, 2]))


async def test_check_of_too_few_image_tokens_fails(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The number of image tokens is a part of the ids."""
    engine, client = fake
    reference = list(engine.tokens)
    engine.tokens = [1, *[IMAGE_TOKEN] * 63, 2]
    with pytest.raises(SelfCheckError, match="tokens failed"):
        await check(client, "fake", probe(reference))


async def test_check_of_a_remote_engine_without_image_tokens_fails(
    fake: tuple[FakeEngine, EngineClient],
) -> None:
    """Such an engine serves a model for texts alone."""
    engine, client = fake
    engine.tokens = [1, 2, 3]
    with pytest.raises(SelfCheckError, match="no image tokens"):
        await check(client, "fake", probe())


async def test_check_of_a_remote_engine_with_a_stray_placeholder_fails(
    fake: tuple[FakeEngine, EngineClient],
) -> None:
    """vLLM reads the model's own template in this way."""
    engine, client = fake
    engine.text_of_tokens = "user <image>\nDescribe"
    with pytest.raises(SelfCheckError, match="derives the right chat template"):
        await check(client, "fake", probe())


async def test_check_of_a_blind_engine_fails(fake: tuple[FakeEngine, EngineClient]) -> None:
    """A blind engine says the same to every image."""

    async def same(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion("An image."))

    engine, client = fake
    engine.answer = same
    with pytest.raises(SelfCheckError, match="sight failed"):
        await check(client, "fake", probe(engine.tokens))


async def test_check_of_a_failing_engine_says_so(fake: tuple[FakeEngine, EngineClient]) -> None:
    """The message holds the failure's own, which is public."""

    async def fail(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500)

    engine, client = fake
    engine.answer = fail
    with pytest.raises(SelfCheckError, match="Self-check failed: The engine failed"):
        await check(client, "fake", probe())


def test_probe_load_reads_what_template_wrote(tmp_path: Path) -> None:
    """The file holds system prompt, prompt and ids."""
    (tmp_path / "probe.json").write_text('{"system": "s", "prompt": "p", "ids": [1, 2]}')
    assert Probe.load(tmp_path / "probe.json") == Probe("s", "p", [1, 2])
