"""Bad captions, as the clients of both faces meet them."""

import base64
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import web

from tests.fake_engine import completion
from tests.pictures import GREY_PNG
from tests.web.conftest import Service

CHAT = "/v1/chat/completions"
GOOD = "A red fox stands in deep snow, and a low sun lights its fur."
CUT = f"{GOOD} Behind it there are"
REFUSAL = "I'm sorry, but I can't help with describing this image."
MESSAGE = "No good caption in 3 attempts: refusal"
REPAIRED = {"kind": "repaired", "weight": "soft"}
DESCRIBED = {"caption_type": "Descriptive"}
ON_FLAW_KEEP = pytest.mark.parametrize("starting", [{"on_flaw": "keep", "attempts": 2}], indirect=True)


def body(text: str = "", **fields: Any) -> dict[str, Any]:
    """Gives a chat completion's body about a picture."""
    url = f"data:image/png;base64,{base64.b64encode(GREY_PNG).decode()}"
    parts: list[dict[str, Any]] = [{"type": "image_url", "image_url": {"url": url}}]
    if text:
        parts.append({"type": "text", "text": text})
    return {"model": "joycaption", "messages": [{"role": "user", "content": parts}], **fields}


def say(service: Service, *texts: str, finish_reason: str = "stop") -> None:
    """Has the engine say these texts in turn, the last one for ever."""
    left = list(texts)

    async def answer(request: web.Request) -> web.StreamResponse:
        service.engine.asked.append(await request.json())
        return web.json_response(completion(left.pop(0) if len(left) > 1 else left[0], finish_reason))

    service.engine.answer = answer
    service.engine.asked.clear()


def asked(service: Service) -> list[dict[str, Any]]:
    """Gives what the engine was asked, each once: it notes requests itself, too."""
    return service.engine.asked[::2]


async def test_caption_tells_how_good_it_is(service: Service, picture: Path) -> None:
    """A client may show it, and the log and the metrics have it too."""
    say(service, REFUSAL, GOOD)
    status, answer = await service.post("/caption", {"image_path": str(picture)})
    assert (status, answer["caption"], answer["flaws"], answer["attempts"]) == (200, GOOD, [], 2)
    async with service.session.get(service.server.make_url("/metrics")) as response:
        assert 'joycaption_flaws_total{kind="refusal"} 1.0' in await response.text()


async def test_caption_of_what_stays_bad_is_502(service: Service, picture: Path) -> None:
    """The client's message says what was wrong, after how many attempts."""
    say(service, REFUSAL)
    status, answer = await service.post("/caption", {"image_path": str(picture)})
    assert (status, answer) == (502, {"success": False, "error": MESSAGE})
    assert len(asked(service)) == 3


async def test_batch_fails_only_the_bad_captions(service: Service, picture: Path) -> None:
    """And its good ones are there."""
    say(service, *[REFUSAL] * 3, GOOD)
    status, answer = await service.post("/batch_caption", {"image_paths": [str(picture)] * 1})
    assert status == 200
    assert answer["results"] == [{"image_path": str(picture), "success": False, "error": MESSAGE}]
    _, answer = await service.post("/batch_caption", {"image_paths": [str(picture)]})
    (result,) = answer["results"]
    assert (result["caption"], result["flaws"], result["attempts"]) == (GOOD, [], 1)


async def test_caption_under_the_clients_limit_is_trimmed(service: Service, picture: Path) -> None:
    """AI-Toolkit's UI always sends one; without one the model gets twice the tokens."""
    say(service, CUT, finish_reason="length")
    _, answer = await service.post("/caption", {"image_path": str(picture), "max_new_tokens": 99})
    assert (answer["caption"], answer["flaws"], answer["attempts"]) == (GOOD, [REPAIRED], 1)
    say(service, CUT, finish_reason="length")
    _, answer = await service.post("/caption", {"image_path": str(picture)})
    assert (answer["caption"], answer["flaws"], answer["attempts"]) == (GOOD, [REPAIRED], 3)
    assert [body["max_tokens"] for body in asked(service)] == [256, 512, 1024]


async def test_a_prompt_of_the_users_own_may_get_any_answer(service: Service, picture: Path) -> None:
    """Whichever face it comes through. Loops and leaks are bad everywhere."""
    for text in ("Ja.", "I'm sorry, the sign says."):
        say(service, text)
        status, answer = await service.post("/caption", {"image_path": str(picture), "prompt": "Which word?"})
        assert (status, answer["caption"]) == (200, text)
        status, answer = await service.post(CHAT, body(text="Which word?"))
        assert (status, answer["choices"][0]["message"]["content"]) == (200, text)
    say(service, f"{GOOD}\n\nASSISTANT: Here is the revised caption.")
    assert (await service.post(CHAT, body(text="Which word?")))[0] == 502


async def test_chat_completion_of_what_stays_bad_is_not_asked_again_by_openais_client(
    service: Service,
) -> None:
    """Each try of the client's would cost three of ours."""
    say(service, REFUSAL)
    url = str(service.server.make_url("/v1"))
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=2) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(**body(), extra_body=DESCRIBED)
    assert (caught.value.status_code, caught.value.code) == (502, "bad_caption")
    assert caught.value.message.count(MESSAGE) == 1
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(asked(service)) == 3


async def test_chat_completion_tells_openais_client_how_good_it_is(service: Service) -> None:
    """Beside the fields that it knows."""
    say(service, REFUSAL, GOOD)
    url = str(service.server.make_url("/v1"))
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(**body(), extra_body=DESCRIBED)
    assert answer.choices[0].message.content == GOOD
    assert (answer.model_extra or {})["joycaption"] == {"flaws": [], "attempts": 2}


async def test_chat_completion_cut_at_the_clients_limit_is_given_as_it_is(service: Service) -> None:
    """OpenAI's clients look at `finish_reason`, and may want just so many tokens."""
    say(service, CUT, finish_reason="length")
    _, answer = await service.post(CHAT, body(max_tokens=9, **DESCRIBED))
    (choice,) = answer["choices"]
    assert (choice["message"]["content"], choice["finish_reason"]) == (CUT, "length")
    assert answer["joycaption"] == {"flaws": [], "attempts": 1}


@pytest.mark.parametrize(
    "changed",
    [
        {"stop": ["fox"]},
        {"messages": [{"role": "system", "content": "Answer in German."}, *body()["messages"]]},
    ],
)
async def test_chat_completion_with_more_of_the_clients_own_may_be_short_or_foreign(
    service: Service, changed: dict[str, Any]
) -> None:
    """A system prompt and a stop word ask for what the style doesn't."""
    say(service, "Ein Fuchs.")
    fields = body(**DESCRIBED)
    assert (await service.post(CHAT, fields))[0] == 502
    assert (await service.post(CHAT, fields | changed))[0] == 200


@ON_FLAW_KEEP
async def test_on_flaw_keep_gives_bad_captions_out(service: Service, picture: Path) -> None:
    """And says what is wrong with them."""
    say(service, REFUSAL)
    status, answer = await service.post("/caption", {"image_path": str(picture)})
    assert (status, answer["caption"], answer["attempts"]) == (200, REFUSAL, 2)
    assert answer["flaws"] == [{"kind": "refusal", "weight": "hard"}]
