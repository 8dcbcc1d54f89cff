"""A fake engine at a URL."""

from collections.abc import AsyncIterator

import pytest

from tests.fake_engine import FakeEngine


@pytest.fixture
async def served() -> AsyncIterator[tuple[FakeEngine, str]]:
    """Starts a fake engine, and gives it with its URL."""
    engine = FakeEngine()
    server = await engine.start()
    yield engine, str(server.make_url("")).rstrip("/")
    await server.close()
