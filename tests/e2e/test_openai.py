"""`/v1` by OpenAI's own packages, Python's and Node's, against the demonstration model."""

import asyncio
import base64
import io
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai.types.chat import ChatCompletion
from PIL import Image

from adapter.caption.prompt_choice import PromptChoice
from adapter.caption.prompts import PromptBook
from adapter.config import PROJECT_DIR
from demo.captions import caption
from demo.samples import FOLDER, SAMPLES
from tests.e2e.conftest import Reference, RunningService, start

pytestmark = pytest.mark.xdist_group("service")
NAME, (SCENE, _) = next(iter(SAMPLES.items()))
PICTURE = FOLDER / NAME
NODE_MODULES = Path(sys.prefix) / "node/node_modules"


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


URL = data_url(PICTURE.read_bytes())
IMAGE: Any = {"type": "image_url", "image_url": {"url": URL}}


def user(*parts: Any) -> Any:
    """Gives the messages of a chat of one turn."""
    return [{"role": "user", "content": list(parts)}]


class Client:
    """Asks by OpenAI's client, and keeps what its requests should have been in tokens."""

    def __init__(self, service: RunningService, book: PromptBook) -> None:
        self.openai = openai.OpenAI(base_url=f"{service.url}/v1", api_key="none")
        self.book = book
        self.asked: list[dict[str, Any]] = []
        self.counted: list[int] = []

    def expect(self, usage: Any, *turns: tuple[str, str], image_turn: int | None = 1) -> None:
        """Notes the turns as the model should get them, for the reference's count of tokens at the end."""
        messages = [{"role": role, "content": content} for role, content in turns]
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": self.book.system_prompt})
        image = None if image_turn is None else str(PICTURE)
        self.asked.append({"messages": messages, "image": image, "image_turn": image_turn})
        self.counted.append(usage["prompt_tokens"] if isinstance(usage, dict) else usage.prompt_tokens)

    def caption(self, *parts: Any, prompt: str, **fields: Any) -> ChatCompletion:
        """Gives a greedy answer to one turn with the sample, of which the service should make `prompt`."""
        answer: ChatCompletion = self.openai.chat.completions.create(
            **({"model": "joycaption", "messages": user(IMAGE, *parts), "temperature": 0} | fields)
        )
        self.expect(answer.usage, ("user", prompt))
        return answer


@pytest.fixture(scope="module")
def client(service: RunningService, book: PromptBook, reference: Reference) -> Iterator[Client]:
    """Gives a client, and checks at the end that each `usage.prompt_tokens` is the reference's count."""
    client = Client(service, book)
    yield client
    client.openai.close()
    answers = reference.answers(client.asked, captions=False)
    assert client.counted == [len(answer["ids"]) for answer in answers]
    assert len(client.counted) > 40


def text_of(answer: ChatCompletion) -> str:
    content = answer.choices[0].message.content
    assert content is not None
    return content


def test_each_models_greedy_answer_is_the_legacy_endpoints(client: Client, service: RunningService) -> None:
    """This holds for the served model, and for every style's and caption type's."""
    models = [model.id for model in client.openai.models.list()]
    book = client.book
    assert len(models) == 1 + len(book.styles) + len(book.caption_types)
    choices: list[dict[str, Any]] = [{}]
    choices += [{"style": style} for style in book.styles]
    choices += [{"caption_type": caption_type} for caption_type in book.caption_types]
    for model, choice in zip(models, choices, strict=True):
        assert client.openai.models.retrieve(model).id == model
        answer = client.caption(model=model, prompt=book.prompt(PromptChoice(**choice)))
        assert text_of(answer) == service.caption(PICTURE, **choice), model
        assert answer.model == model


@pytest.mark.parametrize("style", ["casual", "booru", "Art Critic"])
def test_options_in_extra_body_are_the_legacy_endpoints(
    client: Client, service: RunningService, style: str
) -> None:
    """They have the same effect here, all of them at once."""
    options: dict[str, Any] = {
        "style": style,
        "caption_length": 30,
        "extra_options": ["Refer to {name}."],
        "name_input": "Ada",
    }
    prompt = client.book.prompt(
        PromptChoice(style=style, length="30", options=("Refer to {name}.",), name="Ada")
    )
    answer = client.caption(prompt=prompt, extra_body=options)
    assert text_of(answer) == service.caption(PICTURE, **options)
    with_trigger = client.caption(prompt=prompt, extra_body={**options, "trigger": "sks"})
    assert text_of(with_trigger) == f"sks, {text_of(answer)}"


@pytest.mark.parametrize("model", ["joycaption", "joycaption:casual"])
def test_a_stream_is_the_whole_answer_in_pieces(client: Client, model: str) -> None:
    """The last piece holds the usage."""
    prompt = client.book.prompt(PromptChoice(style="casual" if model.endswith("casual") else "descriptive"))
    whole = client.caption(model=model, prompt=prompt)
    stream = client.openai.chat.completions.create(
        model=model,
        messages=user(IMAGE),
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks[:-1]]
    assert "".join(pieces) == text_of(whole)
    assert sum(map(bool, pieces)) > 3
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage == whole.usage
    client.expect(chunks[-1].usage, ("user", prompt))


def test_the_packages_own_stream_helper_reads_it(client: Client) -> None:
    """The helper checks each event by OpenAI's types."""
    with client.openai.chat.completions.stream(
        model="joycaption:booru",
        messages=user(IMAGE),
        temperature=0,
    ) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == caption(SCENE, "booru")


def test_images_reach_the_model_as_the_reference_prepares_them(
    client: Client, service: RunningService, tmp_path: Path
) -> None:
    """Images of any size and format may stand before or after the text, as data or as a file."""
    large = Image.merge("RGB", [Image.radial_gradient("L"), *[Image.linear_gradient("L")] * 2])
    large = large.resize((4000, 3000))
    for kind in ("JPEG", "WEBP", "TIFF", "GIF", "BMP"):
        path = tmp_path / f"picture {kind}"
        large.resize((1200, 700) if kind != "JPEG" else large.size).save(path, kind)
        expected = service.caption(path, style="casual")
        data = base64.b64encode(path.read_bytes()).decode()
        for url in (f"data:image/{kind};base64,{data.rstrip('=')}", path.as_uri()):
            parts: list[Any] = [{"type": "text", "text": client.book.prompt(PromptChoice(style="casual"))}]
            parts.insert(kind == "GIF", {"type": "image_url", "image_url": {"url": url}})
            answer = client.openai.chat.completions.create(
                model="joycaption",
                messages=user(*parts),
                temperature=0,
            )
            assert text_of(answer) == expected
            client.expect(answer.usage, ("user", client.book.prompt(PromptChoice(style="casual"))))


def test_sampling_fields_do_what_they_say(client: Client) -> None:
    """The effect of each is seen in the answer."""
    prompt = "Describe it."
    part = {"type": "text", "text": prompt}
    plain = text_of(client.caption(part, prompt=prompt))
    words = plain.split()
    cut = client.caption(part, prompt=prompt, max_tokens=3)
    assert (cut.choices[0].finish_reason, cut.usage and cut.usage.completion_tokens) == ("length", 3)
    assert plain.startswith(text_of(cut))
    also_cut = client.caption(part, prompt=prompt, max_completion_tokens=3, max_tokens=100)
    assert text_of(also_cut) == text_of(cut)
    stopped = client.caption(part, prompt=prompt, stop=[words[2]])
    assert text_of(stopped) == " ".join(words[:2])
    hot: dict[str, Any] = {"temperature": 2.0, "top_p": 1.0, "max_tokens": 100}
    several = client.caption(part, prompt=prompt, n=4, seed=5, **hot)
    assert [choice.index for choice in several.choices] == [0, 1, 2, 3]
    texts = {choice.message.content for choice in several.choices}
    again = client.caption(part, prompt=prompt, n=4, seed=5, **hot)
    assert {choice.message.content for choice in again.choices} == texts
    for narrow in ({"top_k": 1}, {"min_p": 1.0}):
        assert text_of(client.caption(part, prompt=prompt, extra_body=narrow, **hot)) == plain
    logged = client.caption(part, prompt=prompt, logprobs=True, top_logprobs=2).choices[0].logprobs
    assert logged is not None
    assert logged.content is not None
    assert all(len(token.top_logprobs) == 2 and token.logprob <= 0 for token in logged.content)
    assert plain in "".join(token.token for token in logged.content)


def gradient() -> Any:
    """Gives an image that is none of what the model knows."""
    buffer = io.BytesIO()
    gradients = [Image.radial_gradient("L"), *[Image.linear_gradient("L")] * 2]
    Image.merge("RGB", gradients).save(buffer, "PNG")
    return {"type": "image_url", "image_url": {"url": data_url(buffer.getvalue())}}


@pytest.mark.parametrize(
    "fields",
    [
        {"presence_penalty": 2.0},
        {"frequency_penalty": 2.0},
        {"frequency_penalty": -2.0},
        {"extra_body": {"repetition_penalty": 2.0}},
    ],
)
def test_penalties_change_what_repeats(client: Client, fields: dict[str, Any]) -> None:
    """They are seen on a gradient, where the model stammers too badly for anything but a stream."""

    def say(**fields: Any) -> str:
        with client.openai.chat.completions.create(
            model="joycaption:descriptive",
            messages=user(gradient()),
            temperature=0,
            max_tokens=60,
            stream=True,
            stream_options={"include_usage": True},
            **fields,
        ) as stream:
            *chunks, last = stream
        client.expect(last.usage, ("user", client.book.prompt(PromptChoice(style="descriptive"))))
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    assert say(**fields) != say()


def test_a_loop_ends_in_the_engine(client: Client) -> None:
    """Long before its limit, because the engine sees that the same tokens come for the third time."""
    with client.openai.chat.completions.create(
        model="joycaption:descriptive",
        messages=user(gradient()),
        temperature=0,
        max_tokens=2000,
        frequency_penalty=-2.0,
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        *chunks, last = stream
    assert chunks[-1].choices[0].finish_reason == "length"
    assert last.usage is not None
    assert last.usage.completion_tokens < 500
    client.expect(last.usage, ("user", client.book.prompt(PromptChoice(style="descriptive"))))


def test_other_conversations_have_the_references_tokens_too(client: Client) -> None:
    """A chat may have its own system prompt, go on after the caption, or have no image."""
    system = ("system", "You are a terse assistant.")
    asked = ("user", "What is it?")
    said, then = ("assistant", "A circle."), ("user", "Which colour?")
    for turns, image_turn in (
        ((system, asked), 1),
        ((asked, said, then), 1),
        ((then, said, asked), 3),
        ((asked,), None),
        ((system, asked, said, then), None),
    ):
        messages: list[dict[str, Any]] = [{"role": role, "content": text} for role, text in turns]
        if image_turn is not None:
            turn = messages[image_turn - (turns[0] is not system)]
            turn["content"] = [{"type": "text", "text": turn["content"]}, IMAGE]
        answer = client.openai.chat.completions.create(
            model="joycaption",
            messages=messages,  # type: ignore[arg-type]
            temperature=0,
            max_tokens=5,
        )
        client.expect(answer.usage, *turns, image_turn=image_turn)


async def test_the_async_client_streams_many_at_once(client: Client, service: RunningService) -> None:
    """Each answer is right, whatever is asked beside it."""
    async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none") as asynchronous:

        async def one(name: str, style: str) -> str:
            stream = await asynchronous.chat.completions.create(
                model=f"joycaption:{style}",
                messages=[
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image_url",
                                "image_url": {"url": data_url((FOLDER / name).read_bytes())},
                            }
                        ],
                    }
                ],
                temperature=0,
                stream=True,
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

        wanted = list(itertools.product(SAMPLES, ("casual", "booru", "descriptive")))
        said = await asyncio.gather(*(one(name, style) for name, style in wanted))
    assert said == [caption(SAMPLES[name][0], style) for name, style in wanted]


def bad_requests() -> Iterator[tuple[dict[str, Any], type[openai.APIStatusError], str | None]]:
    def image(url: str) -> dict[str, Any]:
        return {"type": "image_url", "image_url": {"url": url}}

    def ask(*parts: Any, **fields: Any) -> dict[str, Any]:
        return {"model": "joycaption", "messages": user(*parts)} | fields

    place = "messages[0].content[0].image_url"
    buffer = io.BytesIO()
    Image.new("1", (60_000, 30_000)).save(buffer, "PNG")
    yield ask(IMAGE, model="gpt-4o"), openai.NotFoundError, "model"
    yield ask(IMAGE, IMAGE), openai.BadRequestError, "messages[0].content[1].image_url"
    yield ask({"type": "text", "text": "a"}, model="joycaption:booru"), openai.BadRequestError, "messages"
    yield ask(IMAGE, temperature=9), openai.BadRequestError, "temperature"
    yield ask(IMAGE, tools=[{"type": "function"}]), openai.BadRequestError, "tools"
    yield ask(IMAGE, extra_body={"mm_processor_kwargs": {}}), openai.BadRequestError, "mm_processor_kwargs"
    yield ask(*[{"type": "text", "text": "a"}] * 10_000), openai.BadRequestError, "messages[0].content"
    yield ask(image("data:image/png;base64,***")), openai.BadRequestError, place
    yield ask(image("https://example.com/a.png")), openai.BadRequestError, place
    yield ask(image("file:///none.png")), openai.NotFoundError, place
    yield ask(image(data_url(b"<svg/>"))), openai.UnprocessableEntityError, place
    yield ask(image(data_url(b"%PDF-1.7"))), openai.UnprocessableEntityError, place
    yield ask(image(data_url(buffer.getvalue()))), openai.UnprocessableEntityError, place
    yield ask(IMAGE, {"type": "text", "text": "word " * 6000}), openai.BadRequestError, None


@pytest.mark.parametrize(
    ("request_fields", "error", "param"),
    list(bad_requests()),
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bad_request_raises_the_packages_error(
    client: Client,
    service: RunningService,
    request_fields: dict[str, Any],
    error: type[openai.APIStatusError],
    param: str | None,
) -> None:
    """The error names the place and comes at once: nothing is tried again."""
    with pytest.raises(error) as caught:
        client.openai.chat.completions.create(**request_fields)
    assert type(caught.value) is error
    assert caught.value.param == param or param is None
    assert caught.value.message
    assert caught.value.response.headers.get("x-should-retry") is None


def test_a_data_url_of_200_mb_is_413(service: RunningService, tmp_path: Path) -> None:
    """The answer reaches even a client that sends the whole body, as curl does here."""
    body = tmp_path / "body.json"
    with body.open("wb") as file:
        file.write(b'{"model": "joycaption", "messages": "data:;base64,')
        for _ in range(200):
            file.write(b"A" * 10**6)
        file.write(b'"}')
    sent = subprocess.run(
        [
            "curl",
            "-s",
            "-w%{http_code}",
            "-HExpect:",
            "-HContent-Type: application/json",
            f"-d@{body}",
            f"{service.url}/v1/chat/completions",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert sent.stdout.endswith("413"), sent
    assert '"request_too_large"' in sent.stdout


async def test_a_client_that_leaves_a_stream_ends_the_engines_work(service: RunningService) -> None:
    """The engine's own count of running requests falls to nothing."""
    async with openai.AsyncOpenAI(base_url=f"{service.url}/v1", api_key="none") as asynchronous:
        stream: Any = await asynchronous.chat.completions.create(
            model="joycaption",
            messages=user(IMAGE),
            temperature=2,
            n=100,
            max_tokens=3000,
            presence_penalty=2,
            frequency_penalty=2,
            stream=True,
        )
        async for _ in stream:
            break
        await stream.close()
    connector = aiohttp.UnixConnector(service.engine_url.removeprefix("unix:"))
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(60):
        while True:
            async with session.get("http://engine/metrics") as response:
                found = re.findall(r"^vllm:num_requests_running\{.*?\} (\S+)", await response.text(), re.M)
            if float(found[0]) == 0:
                break


def test_retries_wait_for_the_engine(tmp_path: Path) -> None:
    """While there is no engine, the package asks again by itself, and then reports 503."""
    with socket.socket() as nothing:
        nothing.bind(("127.0.0.1", 0))
        engine_url = f"http://127.0.0.1:{nothing.getsockname()[1]}"
        service = start(
            tmp_path, CAPTION_ENGINE_URL=engine_url, CAPTION_API_KEY="secret", CAPTION_ALLOWED_ROOTS="none"
        )
        try:
            keyless = openai.OpenAI(base_url=f"{service.url}/v1", api_key="wrong")
            with pytest.raises(openai.AuthenticationError):
                keyless.models.list()
            with openai.OpenAI(base_url=f"{service.url}/v1", api_key="secret", max_retries=1) as keyed:
                assert keyed.models.retrieve("joycaption").id == "joycaption"
                with pytest.raises(openai.InternalServerError) as caught:
                    keyed.chat.completions.create(
                        model="joycaption",
                        messages=user(IMAGE),
                    )
            keyless.close()
        finally:
            service.kill()
    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"]
    assert caught.value.response.request.headers["x-stainless-retry-count"] == "1"


def node(script: str, folder: Path, *arguments: str) -> str:
    """Gives what a script prints that finds OpenAI's package."""
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "script.mjs").write_text(script)
    played = subprocess.run(
        ["node", folder / "script.mjs", *arguments],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert played.returncode == 0, played.stderr
    return played.stdout


def test_openais_package_for_node(client: Client, service: RunningService, tmp_path: Path) -> None:
    """The package lists models, captions, streams, and reports failures as it should."""
    script = (PROJECT_DIR / "tests/openai_client.mjs").read_text()
    seen = json.loads(node(script, tmp_path, f"{service.url}/v1", URL, "http://127.0.0.1:9/v1"))
    right = caption(SCENE, "casual")
    assert seen["models"] == [model.id for model in client.openai.models.list()]
    assert seen["found"] == "joycaption:casual"
    assert [seen["plain"], seen["streamed"], seen["final"]] == [right] * 3
    assert seen["ours"] == f"sks, {caption(SCENE, 'booru')}"
    for usage in ("plain_usage", "streamed_usage"):
        client.expect(seen[usage], ("user", client.book.prompt(PromptChoice(style="casual"))))
    client.expect(seen["ours_usage"], ("user", client.book.prompt(PromptChoice(style="booru"))))
    assert seen["unknown"] == {
        "name": "NotFoundError",
        "status": 404,
        "code": "model_not_found",
        "param": "model",
    }
    assert (seen["bad"]["name"], seen["bad"]["status"]) == ("UnprocessableEntityError", 422)
    assert seen["dead"]["name"] == "APIConnectionError"


@pytest.mark.parametrize("language", ["python", "js", "sh"])
def test_the_readmes_examples_run(service: RunningService, tmp_path: Path, language: str) -> None:
    """They run as they stand there, except for the port."""
    readme = (PROJECT_DIR / "README.md").read_text()
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", readme, re.M | re.S)
    code = code.replace("http://127.0.0.1:5000", service.url)
    if language == "js":
        printed = node(code, tmp_path).splitlines()
        assert len(printed) == 2
        assert all("red circle" in line for line in printed)
        return
    command = {"python": [sys.executable, "-c"], "sh": [shutil.which("bash") or "bash", "-c"]}[language]
    printed = subprocess.run(
        [*command, code],
        cwd=PROJECT_DIR,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout.splitlines()
    if language == "sh":
        assert "red_circle" in json.loads(printed[0])["choices"][0]["message"]["content"]
    else:
        booru, own, short = printed
        assert "red_circle" in booru
        assert "red circle" in own
        assert short.startswith("sks, ")
