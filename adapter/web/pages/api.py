"""`/api`: what the page shows and does, for scripts too."""

import asyncio

from aiohttp import web

from adapter.caption.prompt_choice import DEFAULT_LENGTH, DEFAULT_STYLE, PromptChoice
from adapter.caption.style import ANY_LENGTH, LENGTH_WORDS
from adapter.config import own_styles_path
from adapter.errors import InvalidApiKeyError
from adapter.settings import Settings
from adapter.web.access_log import TRACE, polled
from adapter.web.app_keys import (
    BODIES,
    BOOK,
    CAPTIONER,
    FLEET,
    HURRY,
    IDLING,
    SETTINGS,
    STOP,
    VITALS,
)
from adapter.web.error_response import json_response
from adapter.web.face import FACE, Face
from adapter.web.pages import datasets, picture_routes, recaptioning, review_routes
from adapter.web.pages.event_answer import answer_events, error_body
from adapter.web.pages.folder_counts import FolderCounts
from adapter.web.pages.openapi import describe
from adapter.web.pages.own_styles import OwnStyles, StyleBody
from adapter.web.pages.recent_folders import RecentFolders
from adapter.web.pages.session import Sessions
from adapter.web.pages.session_body import EngineBody, SessionBody
from adapter.web.pages.trial import TrialBody, trial_events
from adapter.web.wire import validate

SESSIONS = web.AppKey("sessions", Sessions)

routes = web.RouteTableDef()


def make_api(settings: Settings, sessions: Sessions) -> web.Application:
    """Gives the application. What it shares with other faces it expects in the one that it is mounted in."""
    app = web.Application()
    app[FACE] = Face("page", error_body, frozenset({begin_session}), sessions.admits)
    app[SETTINGS] = settings
    app[SESSIONS] = sessions
    app[datasets.RECENT] = RecentFolders(settings.data_dir)
    app[datasets.COUNTS] = FolderCounts()
    app.add_routes(all_routes())
    app.cleanup_ctx.extend([review_routes.reviews, picture_routes.pictures])
    app.on_shutdown.append(review_routes.close_reviews)
    return app


def all_routes() -> list[web.RouteDef]:
    """Gives all routes, with paths below `/api`."""
    tables = (routes, datasets.routes, review_routes.routes, picture_routes.routes, recaptioning.routes)
    return [route for table in tables for route in table if isinstance(route, web.RouteDef)]


@routes.get("/openapi.json")
async def description(request: web.Request) -> web.Response:
    """Answers this description."""
    return json_response(describe(all_routes()))


@routes.post("/session")
async def begin_session(request: web.Request) -> web.Response:
    """Gives the browser a session, for the token or the key."""
    shared = request.config_dict
    fields = await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes)
    if not shared[SESSIONS].is_secret(validate(fields, SessionBody).secret.strip()):
        raise InvalidApiKeyError("That is neither this service's token nor its key")
    response = json_response({"status": "welcome"})
    shared[SESSIONS].begin(response)
    return response


@routes.get("/engine")
@polled
async def engine(request: web.Request) -> web.Response:
    """Answers how the engines are."""
    return json_response(request.config_dict[VITALS].state)


@routes.get("/engine/events")
async def engine_events(request: web.Request) -> web.StreamResponse:
    """Answers how the engines are, as an event whenever that changes."""
    return await answer_events(request, request.config_dict[VITALS].watch())


@routes.post("/engine")
async def do_with_engine(request: web.Request) -> web.Response:
    """Starts the engines, gives their memory back, or ends the service."""
    shared = request.config_dict
    fields = await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes)
    body = validate(fields, EngineBody)
    match body.action:
        case "start":
            shared[FLEET].wake()
        case "release":
            await shared[IDLING].release(force=body.force)
        case "stop":
            shared[HURRY].set()
            shared[STOP]()
    return json_response({"status": "done"})


@routes.get("/prompts")
async def prompts(request: web.Request) -> web.Response:
    """Answers what can be chosen."""
    book = request.config_dict[BOOK]
    return json_response(
        {
            "styles": dict(book.style_prompts),
            "own_styles": list(book.own_styles),
            "style_sampling": {
                name: sampling
                for name in book.styles
                if (sampling := book.style_sampling(PromptChoice(style=name)).model_dump(exclude_none=True))
            },
            "caption_types": list(book.caption_types),
            "lengths": [ANY_LENGTH, *LENGTH_WORDS],
            "options": book.extra_options,
            "defaults": {"style": DEFAULT_STYLE, "length": DEFAULT_LENGTH, **book.sampling.model_dump()},
        }
    )


@routes.post("/styles")
async def save_style(request: web.Request) -> web.Response:
    """Saves settings as a style of the user's own."""
    shared = request.config_dict
    body = validate(await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes), StyleBody)
    await asyncio.to_thread(OwnStyles(own_styles_path(), shared[BOOK]).save, body)
    return json_response({"name": body.as_name}, status=201)


@routes.delete("/styles/{name:[^/]+}")
async def remove_style(request: web.Request) -> web.Response:
    """Removes a style of the user's own."""
    styles = OwnStyles(own_styles_path(), request.config_dict[BOOK])
    await asyncio.to_thread(styles.remove, request.match_info["name"])
    return json_response({"status": "done"})


@routes.post("/caption")
async def try_caption(request: web.Request) -> web.StreamResponse:
    """Answers a caption as it is written, with its prompt before it and the judgement behind it."""
    shared = request.config_dict
    settings = shared[SETTINGS]
    fields = await shared[BODIES].read_object(request, settings.max_body_bytes, settings.max_image_url_bytes)
    body = validate(fields, TrialBody)
    asked = body.caption_request(shared[BOOK])
    trace = request[TRACE]
    trace.subject = "a picture of the page's"
    captioner = shared[CAPTIONER]
    async with captioner.admit(1):
        return await answer_events(request, trial_events(captioner, body, asked, trace))
