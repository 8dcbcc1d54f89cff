"""Captions that images of a dataset could have instead of those that they have. Nothing is written here."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from adapter.caption.prompt_choice import MAX_NAME
from adapter.caption.request import CaptionRequest
from adapter.caption.trigger import with_trigger
from adapter.captioner.answering import Captioner
from adapter.captioner.priority import Priority
from adapter.errors import CaptionError
from adapter.trace import Trace
from adapter.web.access_log import TRACE
from adapter.web.app_keys import BODIES, BOOK, CAPTIONER, SETTINGS
from adapter.web.pages.event_answer import answer_events, error_body
from adapter.web.pages.open_review import OpenReview
from adapter.web.pages.review_body import to_id, to_key
from adapter.web.pages.review_routes import review_of
from adapter.web.pages.trial import Wanted
from adapter.web.wire import validate

MAX_IMAGES = 1000  # in one request

routes = web.RouteTableDef()


class RecaptionBody(Wanted):
    """The body of `POST /api/datasets/ID/captions`: images by their ids, and what is asked about each."""

    images: Annotated[list[str], Field(min_length=1, max_length=MAX_IMAGES)]
    trigger: Annotated[str, Field(max_length=MAX_NAME)] = ""


@routes.post("/datasets/{id}/captions")
async def caption_again(request: web.Request) -> web.StreamResponse:
    """Answers a new caption of each image, as an event as soon as it is there. Nothing is written."""
    shared = request.config_dict
    fields = await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes)
    body = validate(fields, RecaptionBody)
    asked = body.caption_request(shared[BOOK])
    captioner = shared[CAPTIONER]
    trace = request[TRACE]
    trace.subject = f"{len(body.images)} images of the page's"
    async with captioner.admit(len(body.images)):
        return await answer_events(request, captions(captioner, review_of(request), body, asked, trace))


async def captions(
    captioner: Captioner, review: OpenReview, body: RecaptionBody, asked: CaptionRequest, trace: Trace
) -> AsyncGenerator[dict[str, Any]]:
    """Yields `image` with `text`, `flaws` and `attempts`, or with `error`, for each image."""

    async def one(identity: str) -> dict[str, Any]:
        key = to_key(identity)
        try:
            image, _ = await asyncio.to_thread(review.desk.image, key)
            answer = await captioner.ask(image, asked, trace, Priority.BATCH)
        except CaptionError as error:
            return {"image": to_id(key), **error_body(error)}
        return {
            "image": to_id(key),
            "text": with_trigger(answer.text, body.trigger),
            "flaws": [flaw.as_dict() for flaw in answer.flaws or ()],
            "attempts": answer.attempts,
        }

    yield {"prompt": asked.prompt}
    asking = [asyncio.create_task(one(identity)) for identity in dict.fromkeys(body.images)]
    try:
        for done in asyncio.as_completed(asking):
            yield await done
    finally:
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
