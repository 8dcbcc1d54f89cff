"""What lives as long as the service, and how its end is drawn out for requests under way."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from tests.waiting import until
from tests.web.conftest import Service


async def never(request: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    return web.Response()


async def ask(service: Service, picture: Path) -> "asyncio.Task[tuple[int, dict[str, str]]]":
    """Asks for a caption that never comes, and returns once the engine works on it."""
    service.engine.answer = never
    asking = asyncio.create_task(service.post("/caption", {"image_path": str(picture)}))
    await until(lambda: service.engine.under_way == 1)
    return asking


async def test_requests_under_way_when_the_service_ends_are_answered(service: Service, picture: Path) -> None:
    """Those that can't be finished in time get an error."""
    asking = await ask(service, picture)
    await service.app.shutdown()
    status, body = await asking
    assert (status, body["error"]) == (503, "The service is shutting down")


@pytest.mark.parametrize("starting", [{"drain_s": 600, "plain_answer_s": 60}], indirect=True)
async def test_a_stop_button_does_not_wait_for_the_whole_drain(service: Service, picture: Path) -> None:
    """Whoever pressed it watches, so requests under way are given up soon."""
    asking = await ask(service, picture)
    await service.post("/shutdown", {})
    async with asyncio.timeout(30):
        await service.app.shutdown()
    status, body = await asking
    assert (status, body["error"]) == (503, "The service is shutting down")
