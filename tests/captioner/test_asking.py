"""The body of a request, as each engine takes it."""

import asyncio
import contextlib
import json
from pathlib import Path

from aiohttp import web

from adapter.caption.request import CaptionRequest, question
from adapter.caption.sampling import Sampling
from adapter.captioner.asking import Asked, Turn
from adapter.captioner.priority import Priority
from adapter.engine.client import EngineClient, encode
from adapter.engine.deployment import fleet_for
from adapter.engine.endpoint import Endpoint
from adapter.engine.fleet import Fleet, running
from adapter.engine.seat import taken
from adapter.images.preparation import Preparation
from adapter.images.sources import ImageFile
from adapter.settings import RunSettings
from adapter.trace import Trace
from tests.fake_engine import FakeEngine, image_url

REQUEST = CaptionRequest(question("Say.", "You are."), Sampling(temperature=0.0, top_p=1.0, max_tokens=9))


async def test_body_is_made_anew_only_for_an_engine_that_takes_another(fleet: Fleet, picture: Path) -> None:
    """Engines differ in their model's name, in the way there, and in whether they know priorities."""
    preparation = Preparation(RunSettings(prepare_workers=1))
    elsewhere = EngineClient("http://engine.example", 1.0)
    async with taken(fleet) as seat:
        turn = Turn(seat, ImageFile(str(picture)), preparation, Trace(), Priority.RUN)
        asked = Asked(turn, REQUEST, encode)
        await asked.prepare(is_last=True)
        here = await asked.body(seat.endpoint)
        assert await asked.body(seat.endpoint) is here
        there = await asked.body(Endpoint(elsewhere, "other", "other"))
        again = await asked.body(seat.endpoint)
    await preparation.close()
    await elsewhere.close()
    first, second = json.loads(here), json.loads(there)
    assert (first["model"], first["priority"]) == ("fake", 2)
    assert image_url(first).startswith("data:image/bmp;")
    assert (second["model"], second.get("priority")) == ("other", None)
    assert image_url(second).startswith("data:image/png;")
    assert again == here


async def test_an_engine_that_refuses_priorities_gets_none(picture: Path) -> None:
    """Older and foreign ones know no such field; the self-check finds out."""
    fake = FakeEngine()

    async def refuse(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if "priority" in body:
            return web.json_response({"error": "unknown field priority"}, status=400)
        fake.answer = None
        try:
            return await fake._complete(request)
        finally:
            fake.answer = refuse

    fake.answer = refuse
    server = await fake.start()
    settings = RunSettings(engine_url=str(server.make_url("")))
    async with asyncio.timeout(30), contextlib.AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(running(fleet_for(settings, "")))
        assert (await fleet.until_ready()).ready
        assert (await fleet.endpoint()).takes == {"repetition_detection"}
    await server.close()
