"""The routes of `/api/datasets`: looking at a dataset's images and texts, and mending these."""

import asyncio
from array import array
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web

from adapter.dataset.records import on_one_line
from adapter.dataset.review.bulk import preview_change
from adapter.dataset.review.findings import findings
from adapter.dataset.review.frequencies import frequencies
from adapter.dataset.review.item_filter import ItemFilter, State
from adapter.errors import WrongFieldError
from adapter.web.access_log import polled
from adapter.web.app_keys import BODIES, SETTINGS
from adapter.web.error_response import json_response
from adapter.web.pages.datasets import RECENT
from adapter.web.pages.event_answer import answer_events, error_body
from adapter.web.pages.item_view import item_view
from adapter.web.pages.open_review import OpenReview
from adapter.web.pages.review_body import (
    AcceptBody,
    ChangeBody,
    DatasetBody,
    TextBody,
    UndoBody,
    filter_of,
    number_of,
    to_key,
)
from adapter.web.pages.reviews import Reviews
from adapter.web.wire import Model, validate

REVIEWS = web.AppKey("reviews", Reviews)
MAX_ITEMS = 200  # in one answer
MAX_OFFSET = 10**9

routes = web.RouteTableDef()


async def reviews(app: web.Application) -> AsyncIterator[None]:
    """Holds the datasets that somebody looks at."""
    app[REVIEWS] = Reviews(app[SETTINGS])
    yield


async def close_reviews(app: web.Application) -> None:
    """Ends what goes on in them. Meant for `on_shutdown`: nobody who watches should be waited for."""
    await app[REVIEWS].close()


def review_of(request: web.Request) -> OpenReview:
    """Gives the dataset that a request is about. Raises UnroutedRequestError."""
    return request.config_dict[REVIEWS].find(request.match_info["id"])


async def _body(request: web.Request, kind: type[Model]) -> Model:
    shared = request.config_dict
    return validate(await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes), kind)


@routes.post("/datasets")
async def open_dataset(request: web.Request) -> web.Response:
    """Opens the dataset in a folder, and looks through it anew."""
    body = await _body(request, DatasetBody)
    review = await request.config_dict[REVIEWS].open(body.folder, body.extension)
    await asyncio.to_thread(request.config_dict[RECENT].add, review.desk.root)
    return json_response(await review.state())


@routes.get("/datasets/{id}")
@polled
async def show_dataset(request: web.Request) -> web.Response:
    """Answers how many images and texts a dataset has, of which kinds, and what goes on in it."""
    return json_response(await review_of(request).state())


@routes.get("/datasets/{id}/events")
async def dataset_events(request: web.Request) -> web.StreamResponse:
    """Answers the same, as an event whenever it changes."""
    return await answer_events(request, review_of(request).watch())


@routes.get("/datasets/{id}/items")
@polled
async def show_items(request: web.Request) -> web.Response:
    """Answers images with their texts: of a new view, or from a place in one on."""
    review, parameters = review_of(request), request.query
    limit = number_of(parameters, "limit", 50, MAX_ITEMS)
    if "after" in parameters:
        view, _, offset = parameters["after"].partition(".")
        first = number_of({"after": offset}, "after", 0, MAX_OFFSET)
        total = len(review.view(view))
    else:
        view, total = await review.open_view(filter_of(parameters))
        first = 0
    items, count = await review.items(review.view(view)[first : first + limit])
    last = first + count
    return json_response(
        {
            "view": view,
            "total": total,
            "first": first,
            "items": [item_view(item) for item in items],
            "next": f"{view}.{last}" if last < total else None,
        }
    )


@routes.get("/datasets/{id}/item")
@polled
async def show_item(request: web.Request) -> web.Response:
    """Answers one image with its texts."""
    review = review_of(request)
    key = to_key(request.query.get("image", ""))
    return json_response(item_view(await asyncio.to_thread(review.desk.item, key)))


@routes.get("/datasets/{id}/next")
@polled
async def show_next(request: web.Request) -> web.Response:
    """Answers where in a view the next item with a flawed text stands, from a place on."""
    review, parameters = review_of(request), request.query
    numbers = review.view(parameters.get("view", ""))
    first = number_of(parameters, "first", 0, MAX_OFFSET)
    flawed = set(await asyncio.to_thread(review.desk.find, ItemFilter(state=State.FLAWED)))
    place = next((place for place in range(first, len(numbers)) if numbers[place] in flawed), None)
    return json_response({"place": place})


@routes.put("/datasets/{id}/texts")
async def write_text(request: web.Request) -> web.Response:
    """Writes one text, but not over one that was changed since it was seen: then answers 409 and that."""
    review = review_of(request)
    body = await _body(request, TextBody)
    key = to_key(body.image)
    seen = None if body.replaces is None else bytes.fromhex(body.replaces)
    change = await review.do(review.desk.write, key, body.style, body.text, seen)
    item = item_view(await asyncio.to_thread(review.desk.item, key))
    if change is not None:
        return json_response({"change": change, "item": item})
    changed = WrongFieldError("text", "was changed by somebody else meanwhile")
    return json_response(error_body(changed) | {"item": item}, status=409)


@routes.post("/datasets/{id}/accepted")
async def accept_text(request: web.Request) -> web.Response:
    """Notes that a text is good as it is, whatever its flaws, or no more."""
    review = review_of(request)
    body = await _body(request, AcceptBody)
    key = to_key(body.image)
    digest = bytes.fromhex(body.hash) if body.accepted else None
    await review.do(review.desk.accept, key, body.style, digest)
    return json_response(item_view(await asyncio.to_thread(review.desk.item, key)))


@routes.post("/datasets/{id}/changes/preview")
async def show_change(request: web.Request) -> web.Response:
    """Answers what a change of many texts would do, without doing it."""
    review = review_of(request)
    body = await _body(request, ChangeBody)
    numbers = await _numbers(review, body)
    found = await review.workers.run(
        preview_change,
        review.desk.path,
        numbers,
        body.change,
        style=body.style,
        first=body.first,
        count=body.count,
    )
    changes = [
        {"path": on_one_line(path), "before": before, "after": after} for path, before, after in found.changes
    ]
    return json_response({"count": found.count, "first": body.first, "changes": changes})


@routes.post("/datasets/{id}/changes")
async def change_many(request: web.Request) -> web.StreamResponse:
    """Changes many texts, with an event whenever some are done."""
    review = review_of(request)
    body = await _body(request, ChangeBody)
    numbers = await _numbers(review, body)
    return await answer_events(request, review.change(numbers, body.change, body.style))


@routes.get("/datasets/{id}/changes")
@polled
async def show_changes(request: web.Request) -> web.Response:
    """Answers what can be undone, the newest first: changes by hand, and runs that replaced texts."""
    past = await asyncio.to_thread(review_of(request).desk.history)
    return json_response(
        {"changes": [{"change": one.number, "at": one.at, "texts": one.replaced} for one in past]}
    )


@routes.post("/datasets/{id}/undo")
async def undo(request: web.Request) -> web.Response:
    """Puts back what a change replaced, but not over what was changed since."""
    review = review_of(request)
    body = await _body(request, UndoBody)
    return json_response(vars(await review.undo(body.change, force=body.force)))


@routes.get("/datasets/{id}/frequencies")
@polled
async def show_frequencies(request: web.Request) -> web.Response:
    """Answers how many texts of a view have each tag and each word, the most frequent first."""
    review = review_of(request)
    numbers = review.view(request.query.get("view", ""))
    return json_response(vars(await review.workers.run(frequencies, review.desk.path, numbers)))


@routes.get("/datasets/{id}/findings")
@polled
async def show_findings(request: web.Request) -> web.Response:
    """Answers what only the dataset as a whole shows."""
    review = review_of(request)
    found = await review.workers.run(findings, review.desk.path)
    shared: list[dict[str, Any]] = [
        {"hash": one.hash, "text": one.text, "images": one.images} for one in found.shared
    ]
    phrases = [{"words": one.words, "share": one.share} for one in found.phrases]
    return json_response({"shared": shared, "phrases": phrases})


async def _numbers(review: OpenReview, body: ChangeBody) -> "array[int]":
    """Gives the items that a change is meant for. Raises WrongFieldError, FileMissingError."""
    if (body.view is None) == (body.images is None):
        raise WrongFieldError("view", "or images must say what is to be changed, and not both")
    if body.view is not None:
        return review.view(body.view)
    keys = [to_key(identity) for identity in body.images or ()]
    return await asyncio.to_thread(review.desk.numbers, keys)
