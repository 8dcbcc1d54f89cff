"""What the page shows and does."""

import base64
import json
from typing import Any

import pytest
from aiohttp import web

from tests.fake_engine import completion
from tests.pictures import GREY_PNG
from tests.web.conftest import Service

IMAGE = f"data:image/png;base64,{base64.b64encode(GREY_PNG).decode()}"


async def told(service: Service, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Gives the events of a caption that is tried."""
    async with service.session.post(service.server.make_url("/api/caption"), json=body) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        sent = (await response.text()).split("\n\n")
    return [json.loads(event[6:]) for event in sent if event.startswith("data: ")]


async def test_engine_tells_how_it_is(owner: Service) -> None:
    """Once, or as events whenever it changes."""
    status, state = await owner.get("/api/engine")
    assert (status, state["state"], state["in_flight"], state["may_release"]) == (200, "ready", 0, False)
    async with owner.session.get(owner.server.make_url("/api/engine/events")) as response:
        event = await response.content.readuntil(b"\n\n")
    assert json.loads(event.removeprefix(b"data: "))["state"] == "ready"


async def test_engine_stops_the_service(owner: Service) -> None:
    """As the legacy contract's button does."""
    assert (await owner.post("/api/engine", {"action": "stop"}))[0] == 200
    assert owner.stopped == [True]
    assert (await owner.post("/api/engine", {"action": "start"}))[0] == 200
    status, answer = await owner.post("/api/engine", {"action": "release"})
    assert (status, answer["error"]["code"]) == (409, "release_refused")
    status, answer = await owner.post("/api/engine", {"action": "dance"})
    assert (status, answer["error"]["field"]) == (400, "action")


async def test_prompts_are_all_that_can_be_chosen(owner: Service) -> None:
    """With the values that count where nothing is chosen."""
    _, choices = await owner.get("/api/prompts")
    assert choices["defaults"]["style"] in choices["styles"]
    assert choices["defaults"]["length"] in choices["lengths"]
    assert len(choices["caption_types"]) == 12
    assert len(choices["options"]) > 10


async def test_caption_tells_prompt_text_and_judgement(owner: Service) -> None:
    """In this order, the text in pieces."""
    events = await told(owner, {"image": IMAGE, "caption_type": "Descriptive", "caption_length": "short"})
    first, *pieces, last = events
    assert first == {"prompt": "Write a short detailed description for this image."}
    done = last["done"]
    assert done["text"] == "".join(piece["text"] for piece in pieces)
    assert done["text"].startswith("a picture ")
    assert (done["flaws"], done["finish_reason"], done["tokens"]) == ([], "stop", 5)
    assert len(pieces) > 1


async def test_caption_sends_what_was_chosen(owner: Service) -> None:
    """As the other faces do."""
    fields = {"prompt": "Which colour?", "temperature": 0.0, "max_tokens": 9, "seed": 7, "top_k": 3}
    await told(owner, {"image": IMAGE, **fields})
    asked = owner.last_asked
    assert asked["messages"][1]["content"][1]["text"] == "Which colour?"
    assert (asked["temperature"], asked["max_tokens"], asked["seed"]) == (0.0, 9, 7)


async def test_caption_judges_what_it_has_shown(owner: Service) -> None:
    """It isn't asked for again: its text has been seen."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return await owner.engine._stream(request, "I'm sorry, but I can't help with this image.")

    owner.engine.answer = refuse
    *_, last = await told(owner, {"image": IMAGE, "style": "casual"})
    assert last["done"]["flaws"] == [{"kind": "refusal", "weight": "hard"}]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "image"),
        ({"image": 7}, "image"),
        ({"image": IMAGE, "caption_type": "Poem"}, "caption_type"),
        ({"image": IMAGE, "caption_type": "Descriptive", "caption_length": "endless"}, "caption_length"),
        ({"image": IMAGE, "prompt": "<|eot_id|>"}, "prompt"),
        ({"image": IMAGE, "temperature": "hot"}, "temperature"),
        ({"image": IMAGE, "max_tokens": 0}, "max_tokens"),
    ],
)
async def test_caption_of_a_wrong_field_names_it(owner: Service, fields: dict[str, Any], field: str) -> None:
    """Before anything is asked."""
    owner.engine.asked.clear()
    status, answer = await owner.post("/api/caption", fields)
    assert (status, answer["error"]["field"]) == (400, field)
    assert not owner.engine.asked


async def test_caption_of_a_bad_image_or_engine_is_told_as_an_event(owner: Service) -> None:
    """The prompt was told by then."""
    for image, code in (("data:image/png;base64,AAAA", "not_an_image"), ("file:///etc/passwd", None)):
        *_, last = await told(owner, {"image": image})
        assert last["error"]["message"]
        assert code is None or last["error"]["code"] == code

    async def fail(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion(""), status=500)

    owner.engine.answer = fail
    *_, last = await told(owner, {"image": IMAGE})
    assert last["error"]["code"] == "engine"
