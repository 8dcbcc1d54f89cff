"""Answers `POST /v1/chat/completions`, through the captioner and the prompts that all faces share."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import orjson
from aiohttp import web

from adapter.caption.answer import Chunk
from adapter.errors import CaptionError
from adapter.images.sources import ImageSource
from adapter.policy import Fault
from adapter.web.access_log import TRACE
from adapter.web.app_keys import (
    BODIES,
    BOOK,
    CAPTIONER,
    DELIVERY,
    KEEP_ALIVE,
    MODELS,
    REMOTE_IMAGES,
    SETTINGS,
)
from adapter.web.error_response import public_error
from adapter.web.event_stream import EventStream
from adapter.web.openai.answer_body import chunk_body, completion_body, error_body
from adapter.web.openai.chat_body import parse_body
from adapter.web.openai.conversation import Chat, ImagePlace, to_chat
from adapter.web.openai.image_url import short_url, to_source

DONE = b"data: [DONE]\n\n"


async def create_chat_completion(request: web.Request) -> web.StreamResponse:
    """Answers whole, or as a stream."""
    shared = request.config_dict
    captioner = shared[CAPTIONER]
    chat = await _read_chat(request)
    trace = request[TRACE]
    if chat.image is not None:
        trace.subject = short_url(chat.image.url)

    async def work() -> dict[str, Any]:
        with _blamed_on(chat.image):
            image = await _image(request, chat.image)
            return completion_body(await captioner.ask(image, chat.request, trace), chat.body.model)

    async with captioner.admit(1):
        if chat.body.stream:
            return await _stream(request, chat)
        # Once the answer is begun there is no status left to say that it failed, so the connection ends.
        # OpenAI's clients take that for a failure, and ask again.
        return await shared[KEEP_ALIVE].answer(request, work(), late_error=None)


async def _read_chat(request: web.Request) -> Chat:
    shared = request.config_dict
    settings = shared[SETTINGS]
    fields = await shared[BODIES].read_object(request, settings.max_body_bytes, settings.max_image_url_bytes)
    return to_chat(parse_body(fields), shared[BOOK], shared[MODELS])


async def _stream(request: web.Request, chat: Chat) -> web.StreamResponse:
    """Answers with server-sent events. An error that comes after the first of them is an event too."""
    shared = request.config_dict
    keep_alive = shared[KEEP_ALIVE]
    events = EventStream(request, shared[DELIVERY])
    try:
        async with events.kept_alive(keep_alive.plain_answer_s, keep_alive.keep_alive_s):
            with _blamed_on(chat.image):
                image = await _image(request, chat.image)
                answer = shared[CAPTIONER].ask(image, chat.request, request[TRACE])
                async with contextlib.aclosing(aiter(answer)) as received:
                    async for chunks in received:
                        if sent := _to_events(chunks, chat):
                            await events.send(sent)
            await events.send(DONE)
    except CaptionError as error:
        if not events.begun:
            raise
        await events.send(_to_event(error_body(public_error(request, error))))
    return await events.end()


async def _image(request: web.Request, place: ImagePlace | None) -> ImageSource | None:
    """Gives the image's source, once it is known to be no hopeless case."""
    if place is None:
        return None
    shared = request.config_dict
    hold = functools.partial(shared[BODIES].hold, request)
    image = await to_source(place.url, shared[REMOTE_IMAGES], hold)
    await shared[CAPTIONER].inspect(image)
    return image


@contextlib.contextmanager
def _blamed_on(place: ImagePlace | None) -> Iterator[None]:
    """Names the image's place in errors that the image causes."""
    try:
        yield
    except CaptionError as error:
        if place is not None and error.field is None and error.fault in (Fault.REQUEST, Fault.IMAGE):
            error.field = place.param
        raise


def _to_events(chunks: list[Chunk], chat: Chat) -> bytes:
    bodies = (chunk_body(chunk, chat.body.model, wants_usage=chat.body.wants_usage) for chunk in chunks)
    return b"".join(_to_event(body) for body in bodies if body is not None)


def _to_event(body: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(body) + b"\n\n"
