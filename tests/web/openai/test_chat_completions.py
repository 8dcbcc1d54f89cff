"""`/v1` against a fake engine: what the real one can't show on demand."""

import asyncio
import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientError, ClientSession, web
from PIL import Image

from adapter.images.sources import DataURL, ImageLimits
from adapter.web.openai.chat_completions import DONE
from tests.fake_engine import chunk, completion, event, image_url
from tests.waiting import until
from tests.web.conftest import KEEP_ALIVE_S, Service

CHAT = "/v1/chat/completions"
LIMITS = ImageLimits(10**7, 10**7)


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def png(size: tuple[int, int] = (40, 30)) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of 100 000 x 100 000 pixels in a few bytes."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    parts = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + parts


def body(url: str = "", text: str = "", **fields: Any) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    parts.insert(0, {"type": "image_url", "image_url": {"url": url or data_url(png())}})
    return {"model": "joycaption", "messages": [{"role": "user", "content": parts}], **fields}


async def test_models_are_listed_and_found(service: Service) -> None:
    """In OpenAI's shape."""
    status, listed = await service.get("/v1/models")
    assert status == 200
    assert listed["object"] == "list"
    for model in listed["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert await service.get(f"/v1/models/{model['id']}") == (200, model)
    status, missing = await service.get("/v1/models/gpt-4o")
    assert status == 404
    assert missing["error"]["code"] == "model_not_found"


async def test_an_answer_has_openais_fields_and_one_of_ours(service: Service) -> None:
    """Under the model's name that the client gave. What isn't judged has OpenAI's alone."""
    status, answer = await service.post(CHAT, body(model="joycaption:booru"))
    assert status == 200
    assert set(answer) == {"id", "object", "created", "model", "choices", "usage", "joycaption"}
    assert answer["joycaption"] == {"flaws": [], "attempts": 1}
    assert answer["model"] == "joycaption:booru"
    assert answer["usage"] == {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    (choice,) = answer["choices"]
    assert choice["message"]["content"].startswith("picture, ")
    assert choice["finish_reason"] == "stop"
    _, several = await service.post(CHAT, body(n=2))
    assert set(several) == {"id", "object", "created", "model", "choices", "usage"}


async def test_the_engine_gets_what_the_legacy_endpoint_sends(service: Service, picture: Path) -> None:
    """To the last value, whichever way the image comes."""
    await service.post("/caption", {"image_path": str(picture), "style": "booru", "max_new_tokens": 99})
    by_legacy = service.last_asked
    for url in (
        data_url(picture.read_bytes()),
        data_url(picture.read_bytes(), "text/html"),
        picture.as_uri(),
    ):
        status, _ = await service.post(CHAT, body(url, model="joycaption:booru", max_tokens=99))
        assert status == 200
        assert service.last_asked == by_legacy


async def test_a_large_image_reaches_the_engine_small(service: Service) -> None:
    """As the model's own 384 x 384 pixels."""
    await service.post(CHAT, body(data_url(png((3000, 200)))))
    sent = DataURL(image_url(service.last_asked)).read(LIMITS)
    with Image.open(io.BytesIO(sent)) as image:
        assert image.size == (384, 384)


async def test_a_stream_says_what_the_whole_answer_says(service: Service) -> None:
    """Stripped, with the trigger first, in one event a piece, and the usage when it is asked for."""
    _, whole = await service.post(CHAT, body(trigger="sks"))
    fields = body(stream=True, stream_options={"include_usage": True}, trigger="sks")
    async with service.session.post(service.server.make_url(CHAT), json=fields) as response:
        assert response.content_type == "text/event-stream"
        sent = (await response.text()).split("\n\n")
    assert sent[-2:] == [DONE.decode().strip(), ""]
    events = [json.loads(line.removeprefix("data: ")) for line in sent[:-2]]
    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-1])
    assert text == whole["choices"][0]["message"]["content"]
    assert text.startswith("sks, a picture ")
    assert events[-2]["choices"][0]["finish_reason"] == "stop"
    assert events[-1] | {"id": ""} == {
        "id": "",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "joycaption",
        "choices": [],
        "usage": whole["usage"],
    }
    assert all(event["usage"] is None for event in events[:-1])


async def test_a_stream_passes_each_event_on_as_it_comes(service: Service) -> None:
    """The first is here while the engine still waits to write the second."""
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await service.engine.begin_stream(request)
        await response.write(event(chunk({"content": "one"})))
        await go_on.wait()
        await response.write(event(chunk({"content": " two"}, "stop")) + b"data: [DONE]\n\n")
        return response

    service.engine.answer = answer
    async with service.session.post(service.server.make_url(CHAT), json=body(stream=True)) as response:
        read = b""
        while b"one" not in read:
            read += await response.content.readany()
        go_on.set()
        read += await response.content.read()
    assert b" two" in read
    assert read.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_ends_the_engines_work(service: Service, stream: bool) -> None:
    """In the middle of its answer."""

    async def never_ends(request: web.Request) -> web.StreamResponse:
        response = await service.engine.begin_stream(request)
        while True:
            await response.write(event(chunk({"content": "more "})))
            await asyncio.sleep(0.01)

    service.engine.answer = never_ends
    request = service.session.post(service.server.make_url(CHAT), json=body(stream=stream))
    if stream:
        async with request as response:
            await response.content.readany()
            response.close()
    else:
        waiting = asyncio.ensure_future(asyncio.wait_for(request, 10))
        await until(lambda: service.engine.under_way == 1)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    await until(lambda: service.engine.under_way == 0)
    service.engine.answer = None
    assert (await service.post(CHAT, body()))[0] == 200


async def test_a_stream_that_fails_in_the_middle_says_so(service: Service) -> None:
    """By an error in place of the next event, and without an end."""

    go_on = asyncio.Event()

    async def breaks(request: web.Request) -> web.StreamResponse:
        response = await service.engine.begin_stream(request)
        await go_on.wait()
        await response.write(event({"error": {"message": "secret"}}))
        return response

    service.engine.answer = breaks
    async with service.session.post(service.server.make_url(CHAT), json=body(stream=True)) as response:
        assert response.status == 200
        go_on.set()
        *_, last, end = (await response.text()).split("\n\n")
    assert end == ""
    assert json.loads(last.removeprefix("data: ")) == {
        "error": {
            "message": "The engine failed at this request",
            "type": "server_error",
            "param": None,
            "code": "engine",
        }
    }


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("engine_status", "expected"),
    [
        (503, (503, "engine_busy", "true")),
        (500, (502, "engine", "false")),
        (400, (502, "engine_refused", "false")),
    ],
)
async def test_an_error_of_the_engine_says_whether_to_retry(
    service: Service, stream: bool, engine_status: int, expected: tuple[int, str, str]
) -> None:
    """In OpenAI's own header, because its clients retry after every status from 500 on."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=engine_status)

    service.engine.answer = answer
    async with service.session.post(service.server.make_url(CHAT), json=body(stream=stream)) as response:
        code = (await response.json())["error"]["code"]
        assert (response.status, code, response.headers["x-should-retry"]) == expected
        assert ("Retry-After" in response.headers) is (response.status == 503)


async def test_before_the_engine_is_ready_it_is_503(starting: Service) -> None:
    """Which the SDKs wait out; the models are listed already."""
    async with starting.session.post(starting.server.make_url(CHAT), json=body()) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert (await response.json())["error"]["code"] == "engine_not_ready"
    assert (await starting.get("/v1/models"))[0] == 200


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"", 400),
        (b"not JSON", 400),
        (b"[]", 400),
        (b'"a"', 400),
        (b"[" * 100_000, 400),
        (b'{"a":' * 5000, 400),
        (b'{"model": "joycaption", "messages": "\xff"}', 400),
        (b'{"model": "joycaption", "messages": [{"role": "user", "content": "\\ud800"}]}', 400),
        (b'{"model": "joycaption", "messages": [], "temperature": NaN}', 400),
        (b" " * (2 * 10**6), 413),
    ],
)
async def test_a_hostile_body_is_refused_without_the_engine(
    service: Service, raw: bytes, status: int
) -> None:
    """In OpenAI's shape."""
    got, answer = await service.post_raw(CHAT, raw)
    assert got == status
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["type"] == "invalid_request_error"
    assert not service.engine.asked


async def test_a_body_beyond_the_limit_is_not_read(service: Service) -> None:
    """200 MB of data URL, announced or not."""

    async def endless() -> Any:
        while True:
            yield b" " * 2**16

    url = service.server.make_url(CHAT)
    kind = {"Content-Type": "application/json"}
    for data, headers in ((b"{", {"Content-Length": str(200 * 2**20)}), (endless(), {})):
        async with ClientSession() as session:
            try:
                async with session.post(url, data=data, headers=kind | headers) as response:
                    assert response.status == 413
            except ClientError:
                continue  # the connection was closed on what is still being sent
    assert not service.engine.asked
    assert (await service.post(CHAT, body()))[0] == 200


@pytest.mark.parametrize(
    ("url", "status", "code"),
    [
        ("data:image/png;base64,****", 400, "invalid_request"),
        ("data:image/png;base64,", 422, "not_an_image"),
        (data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), 422, "not_an_image"),
        (data_url(b"%PDF-1.7\n", "application/pdf"), 422, "not_an_image"),
        (data_url(bomb()), 422, "image_too_large"),
        (data_url(png()[:-40]), 422, "image_damaged"),
        (data_url(bytes(10**6 + 1)), 422, "image_too_large"),
        ("file:///none.png", 404, "file_missing"),
        ("file://elsewhere/none.png", 400, "invalid_request"),
        ("file:relative.png", 400, "invalid_request"),
        ("file:///dev/zero", 422, "not_an_image"),
        ("http://example.com/a.png", 400, "remote_image"),
        ("http://[::1/a.png", 400, "invalid_request"),
        ("ftp://example.com/a.png", 400, "invalid_request"),
        ("/etc/passwd", 400, "invalid_request"),
        ("x", 400, "invalid_request"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_a_bad_image_is_refused_without_the_engine(
    service: Service, url: str, status: int, code: str, stream: bool
) -> None:
    """Naming its place."""
    got, answer = await service.post(CHAT, body(url, stream=stream))
    assert got == status
    assert answer["error"]["code"] == code
    assert answer["error"]["param"] == "messages[0].content[0].image_url"
    assert not service.engine.asked


@pytest.mark.parametrize("starting", [{"allowed_roots": "/tmp"}], indirect=True)
async def test_a_file_url_keeps_to_the_roots(service: Service) -> None:
    """As the legacy endpoints do; what leads around them is tested with the sources."""
    for url in ("file:///etc/passwd", "file:///tmp/%2e%2e/etc/passwd", "file:///tmp/../none.png"):
        status, answer = await service.post(CHAT, body(url))
        assert (status, answer["error"]["code"]) == (403, "file_not_allowed")
    assert (await service.post(CHAT, body("file:///tmp/none%20such.png")))[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", CHAT, 405), ("GET", "/v1/none", 404), ("POST", "/v1/embeddings", 404), ("GET", "/v1", 404)],
)
async def test_other_requests_get_errors_in_openais_shape(
    service: Service, method: str, path: str, status: int
) -> None:
    """Whatever is under /v1."""
    async with service.session.request(method, service.server.make_url(path)) as response:
        assert response.status == status
        assert (await response.json())["error"]["type"] == "invalid_request_error"
        assert ("Allow" in response.headers) is (status == 405)


async def test_an_answer_without_text_is_502(service: Service) -> None:
    """Never an empty caption."""

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion(None))

    service.engine.answer = answer
    status, got = await service.post(CHAT, body())
    assert (status, got["error"]["type"]) == (502, "server_error")


async def test_a_long_wait_is_kept_alive(service: Service) -> None:
    """A stream by comments, another answer by white space; a failure then ends the connection."""
    go_on = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.Response(status=500)

    service.engine.answer = answer
    url = service.server.make_url(CHAT)
    async with service.session.post(url, json=body(stream=True)) as response:
        assert (await response.content.readline()) == b": waiting\n"
        go_on.set()
        assert b'"error"' in await response.content.read()
    go_on.clear()
    async with service.session.post(url, json=body()) as response:
        assert response.status == 200
        assert await response.content.read(1) == b" "
        await asyncio.sleep(KEEP_ALIVE_S)
        go_on.set()
        with pytest.raises(ClientError):
            await response.read()


async def test_chunks_of_several_choices_keep_apart(service: Service) -> None:
    """Each has its own beginning and end, its finish reason and its log probabilities."""

    def piece(index: int, text: str, finish: str | None = None) -> bytes:
        whole = chunk({"content": text}, finish)
        whole["choices"][0] |= {"index": index, "logprobs": {"content": [{"token": text}]}}
        return event(whole)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await service.engine.begin_stream(request)
        for text in (piece(0, "s"), piece(1, "on"), piece(0, "ks"), piece(1, "e "), piece(0, "", "stop")):
            await response.write(text)
        await response.write(piece(1, "", "length") + b"data: [DONE]\n\n")
        return response

    service.engine.answer = answer
    texts, reasons, logprobs = {0: "", 1: ""}, {}, 0
    fields = body(stream=True, n=2, logprobs=True, trigger="sks")
    async with service.session.post(service.server.make_url(CHAT), json=fields) as response:
        for line in (await response.text()).split("\n\n")[:-2]:
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                texts[choice["index"]] += choice["delta"].get("content", "")
                reasons[choice["index"]] = choice["finish_reason"]
                logprobs += choice["logprobs"] is not None
    assert texts == {0: "sks", 1: "sks, one"}
    assert reasons == {0: "stop", 1: "length"}
    assert logprobs == 6
