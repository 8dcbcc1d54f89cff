"""The application that is mounted at `/v1`: OpenAI's chat completions and list of models."""

import time
from collections.abc import AsyncIterator

from aiohttp import web

from adapter.caption.prompts import PromptBook
from adapter.images.sources import ImageLimits
from adapter.settings import Settings
from adapter.web.app_keys import MODELS, REMOTE_IMAGES, SETTINGS, STARTED
from adapter.web.error_response import json_response
from adapter.web.face import FACE, Face
from adapter.web.openai.answer_body import error_body, model_body
from adapter.web.openai.chat_completions import create_chat_completion
from adapter.web.openai.virtual_models import VirtualModels
from adapter.web.remote_image import RemoteImages

OPENAI = Face("openai", error_body)


def make_v1(settings: Settings, book: PromptBook) -> web.Application:
    """Gives the application. What it shares with other faces it expects in the one that it is mounted in."""
    app = web.Application()
    app[FACE] = OPENAI
    app[SETTINGS] = settings
    app[MODELS] = VirtualModels(book)
    app[STARTED] = int(time.time())
    app.router.add_get("/models", list_models)
    app.router.add_get("/models/{id}", retrieve_model)
    app.router.add_post("/chat/completions", create_chat_completion)
    app.cleanup_ctx.append(remote_images)
    return app


async def list_models(request: web.Request) -> web.Response:
    """Answers the models that there are."""
    app = request.app
    return json_response(
        {"object": "list", "data": [model_body(model, app[STARTED]) for model in app[MODELS]]}
    )


async def retrieve_model(request: web.Request) -> web.Response:
    """Answers one model. Raises ModelNotFoundError."""
    model = request.app[MODELS].find(request.match_info["id"])
    return json_response(model_body(model, request.app[STARTED]))


async def remote_images(app: web.Application) -> AsyncIterator[None]:
    """Holds the connections to the hosts of images."""
    settings = app[SETTINGS]
    limits = ImageLimits(settings.max_file_bytes, settings.max_image_pixels)
    images = app[REMOTE_IMAGES] = RemoteImages(settings.image_hosts, limits, settings.image_fetch_s)
    yield
    await images.close()
