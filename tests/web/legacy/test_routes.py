"""The legacy contract: statuses, fields and what reaches the engine. Against a fake engine."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pybase64
import pytest
from aiohttp import web
from PIL import Image

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.engine.extra_fields import ENDS_LOOPS
from adapter.web.app_keys import FLEET, VITALS
from adapter.web.legacy.fields import CaptionOptions
from tests.fake_engine import completion
from tests.waiting import until
from tests.web.conftest import Service


async def test_health_while_starting_is_healthy_and_not_loaded(starting: Service) -> None:
    """`status` speaks of the service, `model_loaded` of the engine."""
    status, body = await starting.get("/health")
    assert status == 200
    assert body["status"] == "healthy"
    assert body["model_loaded"] is False
    assert body["gpu_available"] is (body["gpu_count"] > 0)
    assert set(body["loading_progress"]) == {
        "status",
        "message",
        "progress",
        "current_file",
        "files_downloaded",
        "total_files",
    }


async def test_health_after_the_self_check_is_loaded(service: Service) -> None:
    """And progress is at its end."""
    _, body = await service.get("/health")
    assert body["model_loaded"] is True
    assert body["loading_progress"]["status"] == "ready"
    _, progress = await service.get("/progress")
    assert progress == body["loading_progress"]
    assert progress["progress"] == 1.0


async def test_health_of_a_blind_engine_is_never_loaded(starting: Service, picture: Path) -> None:
    """Progress says which check failed, and captioning answers 503."""

    async def same(request: web.Request) -> web.StreamResponse:
        return web.json_response(completion("An image."))

    starting.engine.answer = same
    starting.engine.healthy = True
    await until(lambda: len(starting.engine.asked) >= 2)
    await until(lambda: starting.app[FLEET].status.progress.status == "error")
    _, progress = await starting.get("/progress?wait_s=0")
    assert "Self-check of sight failed" in progress["message"]
    assert (await starting.get("/health"))[1]["model_loaded"] is False
    status, body = await starting.post("/caption", {"image_path": str(picture)})
    assert status == 503
    assert "Self-check of sight failed" in body["error"]


async def test_progress_is_held_while_nothing_changes(starting: Service) -> None:
    """AI-Toolkit's UI asks 120 times at most, and a first start takes longer than as many seconds."""
    asking = asyncio.create_task(starting.get("/progress"))
    at_once = await starting.get("/progress?wait_s=0")
    assert at_once[1]["status"] == "idle"
    assert not asking.done()
    starting.engine.healthy = True
    async with asyncio.timeout(9):
        status, progress = await asking
    assert status == 200
    assert progress["status"] == "loading"
    async with asyncio.timeout(9):
        assert (await starting.get("/progress"))[1]["status"] == "ready"


async def test_progress_that_is_held_long_enough_is_answered(starting: Service) -> None:
    """As it is by then."""
    assert (await starting.get("/progress?wait_s=0.05"))[1]["status"] == "idle"


@pytest.mark.parametrize("wait", ["-1", "11", "nan", "soon", ""])
async def test_progress_refuses_a_time_that_makes_no_sense(service: Service, wait: str) -> None:
    """With the field's name."""
    status, body = await service.get(f"/progress?wait_s={wait}")
    assert status == 400
    assert "wait_s" in body["error"]


async def test_progress_that_is_held_ends_with_the_service(starting: Service) -> None:
    """Nobody waits for what will not come."""
    asking = asyncio.create_task(starting.get("/progress"))
    assert (await starting.get("/progress?wait_s=0"))[0] == 200  # a later one: the first has begun by now
    starting.app[VITALS].end()
    async with asyncio.timeout(9):
        assert (await asking)[0] == 200


async def test_prompts_lists_styles_and_types(service: Service, book: PromptBook) -> None:
    """Each style with its prompt."""
    status, body = await service.get("/prompts")
    assert status == 200
    assert body["styles"] == list(body["prompts"])
    assert body["styles"][:6] == [
        "descriptive",
        "casual",
        "detailed",
        "straightforward",
        "stable_diffusion",
        "booru",
    ]
    assert len(body["joycaption_types"]) == 12
    assert body["prompts"]["booru"] == book.prompt(PromptChoice(style="booru"))


async def test_caption_answers_with_the_contracts_fields(service: Service, picture: Path) -> None:
    """The text without the white space around it."""
    status, body = await service.post("/caption", {"image_path": str(picture)})
    assert status == 200
    assert body["success"] is True
    assert body["caption"].startswith("a picture ")
    assert body["caption"] == body["caption"].strip()
    assert body["prompt_used"] == "Write a descriptive caption for this image in a formal tone."
    assert body["generation_time"] >= 0
    assert body["image_path"] == str(picture)
    assert body["finish_reason"] == "stop"
    assert (body["flaws"], body["attempts"]) == ([], 1)


async def test_caption_sends_the_prepared_pixels_and_every_sampling_value(
    service: Service, tmp_path: Path
) -> None:
    """384 x 384 pixels as LANCZOS squashes them, the system prompt, and the contract's defaults."""
    path = tmp_path / "wide.png"
    image = Image.linear_gradient("L").resize((700, 300)).convert("RGB")
    image.save(path)
    await service.post("/caption", {"image_path": str(path)})
    asked = service.last_asked
    system, user = asked["messages"]
    assert system == {"role": "system", "content": "You are a helpful image captioner."}
    url = user["content"][0]["image_url"]["url"]
    with Image.open(io.BytesIO(pybase64.b64decode(url.partition(",")[2]))) as sent:
        expected = image.resize((384, 384), Image.Resampling.LANCZOS)
        assert sent.convert("RGB").tobytes() == expected.tobytes()
    assert user["content"][1]["type"] == "text"
    sampling = {name: asked[name] for name in asked if name not in ("messages", "model")}
    assert sampling == {
        "priority": 0,
        "repetition_detection": ENDS_LOOPS,
        "n": 1,
        "stop": [],
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
        "logprobs": False,
        "top_logprobs": None,
        "skip_special_tokens": True,
        "temperature": 0.6,
        "top_p": 0.9,
        "top_k": -1,
        "max_tokens": 256,
        "seed": None,
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"do_sample": False}, {"temperature": 0.0, "top_p": 1.0, "top_k": -1}),
        ({"do_sample": False, "temperature": 1.5, "top_k": 5}, {"temperature": 0.0, "top_k": -1}),
        ({"temperature": 0}, {"temperature": 0.0}),
        ({"temperature": 1, "top_p": 1, "top_k": 40}, {"temperature": 1.0, "top_p": 1.0, "top_k": 40}),
        ({"top_k": 0}, {"top_k": -1}),
        ({"top_k": -1}, {"top_k": -1}),
        ({"top_k": None, "max_new_tokens": None}, {"top_k": -1, "max_tokens": 256}),
        ({"max_new_tokens": 77}, {"max_tokens": 77}),
        ({"something_else": {"a": 1}}, {"temperature": 0.6}),
    ],
)
async def test_caption_maps_legacy_sampling_words(
    service: Service, picture: Path, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Null counts as absent, and unknown fields don't matter."""
    status, _ = await service.post("/caption", {"image_path": str(picture)} | fields)
    assert status == 200
    assert {name: service.last_asked[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        ({"prompt": "Count the cats."}, "Count the cats."),
        ({"prompt": "  "}, "Write a descriptive caption for this image in a formal tone."),
        ({"style": "casual"}, "Write a descriptive caption for this image in a casual tone."),
        ({"caption_type": "MidJourney"}, "Write a long MidJourney prompt for this image."),
        (
            {"caption_type": "MidJourney", "caption_length": "any"},
            "Write a MidJourney prompt for this image.",
        ),
        (
            {"caption_type": "MidJourney", "caption_length": 30},
            "Write a MidJourney prompt for this image within 30 words.",
        ),
        (
            {"style": "Descriptive", "caption_type": "Descriptive", "caption_length": "short"},
            "Write a short detailed description for this image.",
        ),
        (
            {"style": "casual", "extra_options": ["Call them {name}."], "name_input": "Ada"},
            "Write a descriptive caption for this image in a casual tone. Call them Ada.",
        ),
    ],
)
async def test_caption_builds_the_prompt(
    service: Service, picture: Path, fields: dict[str, Any], prompt: str
) -> None:
    """And says in `prompt_used` what it asked."""
    _, body = await service.post("/caption", {"image_path": str(picture)} | fields)
    assert body["prompt_used"] == prompt
    assert service.last_asked["messages"][1]["content"][1]["text"] == prompt


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "must be JSON"),
        (b"{", "must be JSON"),
        (b'{"image_path": "/x", "temperature": NaN}', "must be JSON"),
        (b"\xff\xfe", "must be JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
)
async def test_caption_of_no_json_object_is_400(service: Service, body: bytes, error: str) -> None:
    """Not a Python message."""
    status, answer = await service.post_raw("/caption", body)
    assert status == 400
    assert error in answer["error"]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"image_path": None}, "image_path is required"),
        ({"image_path": ""}, "image_path is required"),
        ({"image_path": 7}, "image_path "),
        ({"image_path": ["/a"]}, "image_path "),
        ({"image_path": "relative.png"}, "image_path must be an absolute path"),
        ({"prompt": 7}, "prompt "),
        ({"caption_type": True}, "caption_type "),
        ({"caption_length": "endless"}, ""),
        ({"caption_length": True}, "caption_length "),
        ({"extra_options": "one"}, "extra_options "),
        ({"extra_options": [1]}, "extra_options[0] "),
        ({"name_input": {}}, "name_input "),
        ({"style": "nope"}, "Unknown prompt style: nope"),
        ({"max_new_tokens": 0}, "max_new_tokens "),
        ({"max_new_tokens": 2049}, "max_new_tokens "),
        ({"max_new_tokens": "256"}, "max_new_tokens "),
        ({"max_new_tokens": True}, "max_new_tokens "),
        ({"max_new_tokens": 2.5}, "max_new_tokens "),
        ({"temperature": -0.1}, "temperature "),
        ({"temperature": 2.1}, "temperature "),
        ({"temperature": True}, "temperature "),
        ({"top_p": 0}, "top_p "),
        ({"top_p": 1.01}, "top_p "),
        ({"top_k": -2}, "top_k "),
        ({"top_k": False}, "top_k "),
        ({"do_sample": 1}, "do_sample "),
        ({"prompt": "<|eot_id|>"}, "prompt holds <|eot_id|>"),
    ],
)
async def test_caption_of_a_wrong_field_is_400_and_names_it(
    service: Service, picture: Path, fields: dict[str, Any], field: str
) -> None:
    """In one line, and the engine hears nothing of it."""
    body = {"image_path": str(picture), "caption_type": "Descriptive"} | fields
    if "style" in fields:
        del body["caption_type"]
    status, answer = await service.post("/caption", body)
    assert status == 400
    assert answer["success"] is False
    assert answer["error"].startswith(field)
    assert "\n" not in answer["error"]
    assert service.engine.asked == []


async def test_caption_without_its_file_is_404(service: Service) -> None:
    """Naming the path that was sent."""
    status, body = await service.post("/caption", {"image_path": "/none/at all.png"})
    assert (status, body["error"]) == (404, "Image not found: /none/at all.png")


async def test_caption_of_no_image_is_422(service: Service, tmp_path: Path) -> None:
    """Saying which it is."""
    path = tmp_path / "text.png"
    path.write_text("not an image")
    status, body = await service.post("/caption", {"image_path": str(path)})
    assert status == 422
    assert body["error"].startswith("Not an image in one of the formats")
    path.write_bytes(b"\0" * (10**6 + 1))
    status, body = await service.post("/caption", {"image_path": str(path)})
    assert (status, body["error"]) == (422, "The file is larger than 1000000 bytes")


async def test_caption_before_the_engine_is_ready_is_503_with_retry_after(
    starting: Service, picture: Path
) -> None:
    """So that a client knows to come back."""
    url = starting.server.make_url("/caption")
    async with starting.session.post(url, json={"image_path": str(picture)}) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        assert "isn't ready" in (await response.json())["error"]


@pytest.mark.parametrize(("engine_status", "status"), [(500, 502), (503, 503), (400, 502)])
async def test_caption_when_the_engine_fails_is_a_gateway_error(
    service: Service, picture: Path, engine_status: int, status: int
) -> None:
    """Without the engine's own text."""

    async def fail(request: web.Request) -> web.StreamResponse:
        return web.Response(status=engine_status, text="secret")

    service.engine.answer = fail
    got, body = await service.post("/caption", {"image_path": str(picture)})
    assert got == status
    assert "secret" not in body["error"]


@pytest.mark.parametrize("starting", [{"engine_timeout_s": 0.5}], indirect=True)
async def test_caption_when_the_engine_is_too_slow_is_504(service: Service, picture: Path) -> None:
    """After `engine_timeout_s`."""

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    service.engine.answer = wait
    status, _ = await service.post("/caption", {"image_path": str(picture)})
    assert status == 504


async def test_caption_of_a_client_that_left_is_aborted(service: Service, picture: Path) -> None:
    """The engine stops working for it."""
    arrived = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.Event().wait()
        return web.Response()

    service.engine.answer = wait
    request = asyncio.create_task(service.post("/caption", {"image_path": str(picture)}))
    await arrived.wait()
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await until(lambda: service.engine.aborted == 1)


def pictures(folder: Path, count: int) -> list[str]:
    """Paths of pictures that all differ."""
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (8, 8), (number, 255 - number, 7)).save(path)
    return [str(path) for path in paths]


async def test_batch_has_all_images_in_flight_and_results_in_order(service: Service, tmp_path: Path) -> None:
    """The engine sees them together, answers in any order, and each gets its own caption."""
    paths = pictures(tmp_path, 20)
    alone = [(await service.post("/caption", {"image_path": path}))[1]["caption"] for path in paths]
    full = asyncio.Event()

    async def when_all_are_there(request: web.Request) -> web.StreamResponse:
        if service.engine.under_way == len(paths):
            full.set()
        await full.wait()
        body = await request.json()
        await asyncio.sleep(0.01 * (hash(str(body)) % 5))  # answers come in any order
        service.engine.answer = None
        return await service.engine._complete(request)

    service.engine.answer = when_all_are_there
    status, body = await service.post("/batch_caption", {"image_paths": paths})
    assert status == 200
    assert [result["image_path"] for result in body["results"]] == paths
    assert [result["caption"] for result in body["results"]] == alone
    assert len(set(alone)) == len(paths)
    assert all(result["success"] and result["generation_time"] > 0 for result in body["results"])
    counts = (body["total_images"], body["successful_captions"], body["failed_captions"])
    assert counts == (20, 20, 0)
    assert body["success"] is True
    assert body["total_time"] >= max(result["generation_time"] for result in body["results"]) - 0.1
    assert body["prompt_used"].startswith("Write a descriptive")


async def test_batch_with_bad_images_captions_the_good_ones(service: Service, tmp_path: Path) -> None:
    """Each failure has its own text, in its own place."""
    good = pictures(tmp_path, 2)
    (tmp_path / "text.png").write_text("hello")
    paths = [good[0], "/none.png", str(tmp_path / "text.png"), "relative.png", good[1], good[0]]
    _, body = await service.post("/batch_caption", {"image_paths": paths})
    errors = [result.get("error", "") for result in body["results"]]
    assert [result["success"] for result in body["results"]] == [True, False, False, False, True, True]
    assert errors[1] == "Image not found: /none.png"
    assert errors[2].startswith("Not an image")
    assert "absolute path" in errors[3]
    assert (body["successful_captions"], body["failed_captions"]) == (3, 3)
    assert body["results"][0]["caption"] == body["results"][5]["caption"]


async def test_batch_of_nothing_is_a_success(service: Service) -> None:
    """With no results."""
    status, body = await service.post("/batch_caption", {"image_paths": []})
    assert status == 200
    assert (body["success"], body["results"], body["total_images"]) == (True, [], 0)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "image_paths is required"),
        ({"image_paths": None}, "image_paths is required"),
        ({"image_paths": "/a.png"}, "image_paths "),
        ({"image_paths": {"0": "/a.png"}}, "image_paths "),
        ({"image_paths": ["/a.png", 7]}, "image_paths[1] "),
        ({"image_paths": ["/a.png"], "style": "nope"}, "Unknown prompt style"),
        ({"image_paths": ["/a.png"], "top_p": 2}, "top_p "),
        ({"image_paths": ["/a.png"] * 101}, "image_paths holds 101 paths; at most 100"),
    ],
)
async def test_batch_with_a_wrong_field_is_400(service: Service, fields: dict[str, Any], error: str) -> None:
    """As a whole, and the engine hears nothing of it."""
    status, body = await service.post("/batch_caption", fields)
    assert status == 400
    assert body["error"].startswith(error)
    assert service.engine.asked == []


async def test_batch_beyond_the_queue_is_503_with_retry_after(service: Service, tmp_path: Path) -> None:
    """While another one waits."""
    paths = pictures(tmp_path, 60)
    go_on = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.json_response(completion("A picture that is done."))

    service.engine.answer = wait
    first = asyncio.create_task(service.post("/batch_caption", {"image_paths": paths}))
    await until(lambda: service.engine.under_way == 40)
    url = service.server.make_url("/batch_caption")
    async with service.session.post(url, json={"image_paths": paths}) as refused:
        assert refused.status == 503
        assert int(refused.headers["Retry-After"]) > 0
        assert "60 images wait already" in (await refused.json())["error"]
    go_on.set()
    _, body = await first
    assert body["successful_captions"] == 60


async def test_caption_that_would_wait_is_refused_at_once_for_its_file(
    service: Service, tmp_path: Path
) -> None:
    """With its own status, though the engine is full for longer than an answer stays plain."""
    (tmp_path / "text.png").write_text("hello")

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    service.engine.answer = wait
    batch = asyncio.create_task(service.post("/batch_caption", {"image_paths": pictures(tmp_path, 50)}))
    await until(lambda: service.engine.under_way == 40)
    for path, expected in (("/none.png", 404), (str(tmp_path / "text.png"), 422)):
        status, body = await service.post("/caption", {"image_path": path})
        assert (status, body["success"]) == (expected, False)
    batch.cancel()
    await asyncio.gather(batch, return_exceptions=True)


async def test_batch_of_a_client_that_left_is_aborted(service: Service, tmp_path: Path) -> None:
    """All of its images."""
    paths = pictures(tmp_path, 30)

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    service.engine.answer = wait
    request = asyncio.create_task(service.post("/batch_caption", {"image_paths": paths}))
    await until(lambda: service.engine.under_way == 30)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await until(lambda: service.engine.aborted == 30)


async def test_shutdown_answers_and_stops_once(service: Service) -> None:
    """That the process and its engine end is shown in `e2e`."""
    status, body = await service.post("/shutdown", {})
    assert (status, body["status"]) == (200, "shutting_down")
    assert body["message"]
    assert service.stopped == [True]


async def test_health_lists_the_engines(service: Service, picture: Path) -> None:
    """Each has a name, a state, where it is, and how many images have a place at it."""
    _, body = await service.get("/health")
    assert body["engine"] == "ready"
    assert body["engines"] == [
        {
            "name": "engine-1",
            "state": "ready",
            "in_flight": 0,
            "url": str(service.engine_server.make_url("")).rstrip("/"),
        }
    ]


async def test_release_of_an_engine_that_others_look_after_is_409(service: Service) -> None:
    """It takes a body, or none."""
    for status, body in (
        await service.post("/release", {"force": True}),
        await service.post_raw("/release", b""),
    ):
        assert status in (409, 400)
        assert body["success"] is False
    async with service.session.post(service.server.make_url("/release")) as response:
        assert response.status == 409
        assert "others are ended by who started them" in (await response.json())["error"]


@pytest.mark.parametrize("body", [{"force": "yes"}, {"force": 1}])
async def test_release_with_a_wrong_field_names_it(service: Service, body: dict[str, object]) -> None:
    """A mistake mustn't end anybody's work."""
    status, answer = await service.post("/release", body)
    assert status == 400
    assert answer["error"].startswith("force ")


async def test_release_while_a_request_is_under_way_says_so(service: Service, picture: Path) -> None:
    """That holds with force too where the engine isn't the service's own."""

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    service.engine.answer = wait
    request = asyncio.create_task(service.post("/caption", {"image_path": str(picture)}))
    await until(lambda: service.engine.under_way == 1)
    status, body = await service.post("/release", {})
    assert (status, body["error"]) == (409, "The engine is at work for 1 requests; force ends that")
    status, _ = await service.post("/release", {"force": True})
    assert status == 409
    assert not request.done(), "this engine isn't ours to end, so nothing else is ended either"
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)


@pytest.mark.parametrize("starting", [{"plain_answer_s": 60}], indirect=True)
async def test_requests_under_way_when_the_service_ends_are_answered(service: Service, picture: Path) -> None:
    """With an error, when they can't be finished in time."""

    async def wait(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    service.engine.answer = wait
    request = asyncio.create_task(service.post("/caption", {"image_path": str(picture)}))
    await until(lambda: service.engine.under_way == 1)
    await service.app.shutdown()
    status, body = await request
    assert (status, body["error"]) == (503, "The service is shutting down")


async def test_a_body_beyond_the_limit_is_413(service: Service) -> None:
    """As JSON, like every error."""
    status, body = await service.post("/caption", {"image_path": "/x" * 10**5})
    assert status == 413
    assert body["error"] == "The request body is larger than 100000 bytes"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/none", 404), ("GET", "/caption", 405), ("POST", "/health", 405)]
)
async def test_a_wrong_address_is_answered_in_json(
    service: Service, method: str, path: str, status: int
) -> None:
    """Clients parse every answer."""
    async with service.session.request(method, service.server.make_url(path)) as response:
        assert response.status == status
        assert (await response.json())["success"] is False


def test_caption_options_of_nan_is_refused() -> None:
    """JSON has none, but the model doesn't rely on it."""
    with pytest.raises(ValueError, match="finite"):
        CaptionOptions(temperature=float("nan"))
