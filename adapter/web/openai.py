"""`/v1`: OpenAI's chat completions, over the same captioner and the same prompts as the legacy contract."""

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
from aiohttp import web
from openai.types.chat import ChatCompletion

from adapter.captioner import Captioner
from adapter.chat import AnswerText, CaptionRequest, to_text
from adapter.engine.client import Chunk
from adapter.errors import (
    CaptionError,
    EngineError,
    FileMissingError,
    FileNotAllowedError,
    ImageError,
    InvalidRequestError,
)
from adapter.sources import DATA_SCHEME, DataURL, ImageFile, ImageSource
from adapter.web.chat_body import Chat, ImagePlace, parse_chat
from adapter.web.event_stream import EventStream
from adapter.web.keys import (
    BODIES,
    BOOK,
    CAPTIONER,
    DELIVERY,
    MODELS,
    PATIENCE,
    REMOTE_IMAGES,
    SETTINGS,
    STARTED,
)
from adapter.web.middleware import json_response, to_caption_error
from adapter.web.observing import TRACE
from adapter.web.virtual_models import VirtualModel

DONE = b"data: [DONE]\n\n"
LOCAL_HOSTS = ("", "localhost")
ABOUT_THE_IMAGE = (ImageError, FileMissingError, FileNotAllowedError, InvalidRequestError)
USAGE_FIELDS = ("prompt_tokens", "completion_tokens", "total_tokens")

routes = web.RouteTableDef()


@routes.get("/v1/models")
async def list_models(request: web.Request) -> web.Response:
    data = [model_body(model, request.app[STARTED]) for model in request.app[MODELS]]
    return json_response({"object": "list", "data": data})


@routes.get("/v1/models/{id}")
async def retrieve_model(request: web.Request) -> web.Response:
    model = request.app[MODELS].find(request.match_info["id"])
    return json_response(model_body(model, request.app[STARTED]))


@routes.post("/v1/chat/completions")
async def create_chat_completion(request: web.Request) -> web.StreamResponse:
    settings = request.app[SETTINGS]
    captioner: Captioner = request.app[CAPTIONER]
    fields = await request.app[BODIES].read_object(request, settings.max_chat_body_bytes)
    chat = parse_chat(fields, request.app[BOOK], request.app[MODELS])
    del fields  # its images are large
    async with captioner.admit(1):
        if chat.body.stream:
            return await stream_answer(request, chat)

        async def work() -> dict[str, Any]:
            async with captioning(request, chat) as caption_request:
                return completion_body(await captioner.complete(caption_request, request[TRACE]), chat)

        # Once the answer is begun there is no status left to say that it failed, so the connection ends:
        # that is what OpenAI's clients take for a failure, and ask again.
        return await request.app[PATIENCE].answer(request, work(), late_error=None)


async def stream_answer(request: web.Request, chat: Chat) -> web.StreamResponse:
    """The answer as server-sent events. An error that comes after the first of them is an event too."""
    captioner: Captioner = request.app[CAPTIONER]
    patience = request.app[PATIENCE]
    trace = request[TRACE]
    events = EventStream(request, request.app[DELIVERY])
    chunks = ChunkBodies(chat)
    try:
        async with (
            events.kept_alive(patience.plain_s, patience.space_s),
            captioning(request, chat) as caption_request,
            captioner.stream(caption_request, trace) as received,
        ):
            async for together in received:
                bodies = [body for chunk in together for body in chunks.bodies(chunk)]
                if bodies:
                    await events.send(b"".join(map(to_event, bodies)))
            trace.succeed(chat.request.prompt, "".join(chunks.said), *chunks.tokens)
            await events.send(DONE)
    except CaptionError as error:
        if not events.begun:
            raise
        await events.send(to_event(error_body(to_caption_error(request, error))))
    return await events.end()


@contextlib.asynccontextmanager
async def captioning(request: web.Request, chat: Chat) -> AsyncIterator[CaptionRequest]:
    """The request with its image; an error that the image causes names the image's place in the body."""
    if chat.image is None:
        yield chat.request
        return
    try:
        request[TRACE].subject = short_url(chat.image.url)
        image = await find_image(request, chat.image)
        await request.app[CAPTIONER].inspect(image)
        yield replace(chat.request, image=image)
    except ABOUT_THE_IMAGE as error:
        error.field = error.field or chat.image.param
        raise


async def find_image(request: web.Request, place: ImagePlace) -> ImageSource:
    """What the URL stands for. Raises InvalidRequestError for a URL of another kind."""
    scheme = place.url[: len(DATA_SCHEME)].lower()
    if scheme == DATA_SCHEME:
        return DataURL(place.url)
    try:
        parts = urlsplit(place.url)
    except ValueError as error:
        raise InvalidRequestError("The image's URL can't be read") from error
    if parts.scheme == "file" and parts.netloc in LOCAL_HOSTS:
        return ImageFile(unquote(parts.path))
    if parts.scheme in ("http", "https"):
        return await request.app[REMOTE_IMAGES].fetch(place.url)
    raise InvalidRequestError("An image's URL must be a data:, file: or https: URL")


def short_url(url: str) -> str:
    """For the log: without the image in it, and without what a link may carry in its query."""
    return "data:" if url[: len(DATA_SCHEME)].lower() == DATA_SCHEME else url.partition("?")[0][:500]


def model_body(model: VirtualModel, created: int) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": created, "owned_by": "joycaption"}


def completion_body(completion: ChatCompletion, chat: Chat) -> dict[str, Any]:
    """OpenAI's fields of the engine's answer, and no others. Raises EngineError when a text is missing."""
    choices = []
    for choice in completion.choices:
        if choice.message.content is None:
            raise EngineError("The engine answered without a text")
        text = to_text(choice.message.content, chat.request.trigger)
        choices.append(
            {
                "index": choice.index,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "logprobs": choice.logprobs.model_dump() if choice.logprobs else None,
                "finish_reason": choice.finish_reason,
            }
        )
    usage = completion.usage.model_dump() if completion.usage else {}
    return {
        "id": completion.id,
        "object": "chat.completion",
        "created": completion.created,
        "model": chat.body.model,
        "choices": choices,
        "usage": usage_body(usage),
    }


def usage_body(usage: dict[str, Any]) -> dict[str, int]:
    return {name: usage.get(name, 0) for name in USAGE_FIELDS}


class ChunkBodies:
    """The engine's chunks of one answer as the client gets them."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._wants_usage = bool(chat.body.stream_options and chat.body.stream_options.include_usage)
        self._texts: dict[int, AnswerText] = {}
        self.said: list[str] = []
        self.tokens = (0, 0)  # of the prompt, and of the answer

    def bodies(self, chunk: Chunk) -> list[dict[str, Any]]:
        """None or one: what would say nothing is left out."""
        body: dict[str, Any] = {
            "id": chunk.get("id"),
            "object": "chat.completion.chunk",
            "created": chunk.get("created", int(time.time())),
            "model": self._chat.body.model,
        }
        usage = chunk.get("usage")
        if usage:
            self.tokens = (usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
        if not chunk["choices"]:
            if self._wants_usage and usage:
                return [body | {"choices": [], "usage": usage_body(usage)}]
            return []
        choices = [said for choice in chunk["choices"] if (said := self._choice(choice))]
        if not choices:
            return []
        return [body | {"choices": choices} | ({"usage": None} if self._wants_usage else {})]

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        index, delta = choice["index"], choice.get("delta") or {}
        finish_reason, logprobs = choice.get("finish_reason"), choice.get("logprobs")
        text = self._texts.setdefault(index, AnswerText(self._chat.request.trigger))
        content = text.push(delta.get("content") or "")
        if finish_reason:
            content += text.end()
        said: dict[str, Any] = {"role": "assistant", "content": ""} if delta.get("role") else {}
        if content:
            self.said.append(content)
            said["content"] = content
        if not said and not finish_reason and not logprobs:
            return None
        return {"index": index, "delta": said, "logprobs": logprobs, "finish_reason": finish_reason}


def to_event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"


def error_body(error: CaptionError) -> dict[str, Any]:
    """OpenAI's shape of an error."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {
        "error": {"message": error.message, "type": kind, "param": error.field, "code": error.code},
    }
