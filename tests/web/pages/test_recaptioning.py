"""Captions that images of a dataset could have instead."""

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from adapter.web.pages.recaptioning import MAX_IMAGES
from tests.fake_engine import completion
from tests.waiting import until
from tests.web.conftest import Service

COUNT = 12


async def opened(owner: Service, tmp_path: Path) -> str:
    """Gives the path of a dataset with a dozen images, when all are known."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(COUNT):
        Image.new("RGB", (9, 9), (number, 0, 0)).save(folder / f"{number}.png")
    _, state = await owner.post("/api/datasets", {"folder": str(folder)})
    path = f"/api/datasets/{state['id']}"
    async with owner.session.get(owner.server.make_url(f"{path}/events")) as response:
        async for line in response.content:
            if b'"is_refreshing":false' in line:
                return path
    raise AssertionError("it has ended before")


async def test_a_client_that_is_gone_has_nothing_asked_for_it(owner: Service, tmp_path: Path) -> None:
    """The engine's answers would be of no use to anybody."""
    path = await opened(owner, tmp_path)
    waiting, ended = [0], [0]
    go_on = asyncio.Event()

    async def slow(_: web.Request) -> web.StreamResponse:
        waiting[0] += 1
        try:
            await go_on.wait()
        except asyncio.CancelledError:
            ended[0] += 1
            raise
        return web.json_response(completion("a picture of nothing in particular"))

    owner.engine.answer = slow
    asked: dict[str, Any] = {"images": [f"{number}.png" for number in range(COUNT)]}
    async with owner.session.post(owner.server.make_url(f"{path}/captions"), json=asked) as response:
        await response.content.readline()
        await until(lambda: waiting[0] == COUNT)
        response.close()
    await until(lambda: ended[0] == COUNT)
    owner.engine.answer = None
    async with owner.session.post(owner.server.make_url(f"{path}/captions"), json=asked) as response:
        assert (await response.text()).count('"attempts"') == COUNT


async def test_wrong_questions_are_refused(owner: Service, tmp_path: Path) -> None:
    """Before any image is looked at; an image that is named twice is asked about once."""
    path = await opened(owner, tmp_path)
    for body, field in (
        ({}, "images"),
        ({"images": []}, "images"),
        ({"images": ["a.png"] * (MAX_IMAGES + 1)}, "images"),
        ({"images": ["0.png"], "style": "none of ours"}, "style"),
        ({"images": ["0.png"], "trigger": "x" * 2000}, "trigger"),
    ):
        status, answer = await owner.post(f"{path}/captions", body)
        assert (status, answer["error"]["field"]) == (400, field), body
    url = owner.server.make_url(f"{path}/captions")
    async with owner.session.post(
        url, json={"images": ["0.png", "0.png", "%ff.png", "../0.png"]}
    ) as response:
        told = await response.text()
    assert told.count('"attempts"') == 1
    assert told.count("file_missing") == 2
