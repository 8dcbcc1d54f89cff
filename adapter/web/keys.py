"""Where the application keeps what its handlers share."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from adapter.captioner import Captioner
from adapter.config import Settings
from adapter.engine.launcher import Engine
from adapter.prompts import PromptBook
from adapter.web.bodies import Bodies
from adapter.web.delivery import Delivery
from adapter.web.metrics import Metrics
from adapter.web.patience import Patience
from adapter.web.remote_image import RemoteImages
from adapter.web.virtual_models import VirtualModels

SETTINGS = web.AppKey("settings", Settings)
BOOK = web.AppKey("book", PromptBook)
ENGINE = web.AppKey("engine", Engine)
CAPTIONER = web.AppKey("captioner", Captioner)
GPU_COUNT = web.AppKey("gpu_count", int)
MODELS = web.AppKey("models", VirtualModels)
REMOTE_IMAGES = web.AppKey("remote_images", RemoteImages)
STARTED = web.AppKey("started", int)  # Unix time, in seconds
BODIES = web.AppKey("bodies", Bodies)
DELIVERY = web.AppKey("delivery", Delivery)
METRICS = web.AppKey("metrics", Metrics)
PATIENCE = web.AppKey("patience", Patience)
# Set when somebody pressed a stop button, and watches.
HURRY = web.AppKey("hurry", asyncio.Event)
# Ends the service, once the requests under way have their answers.
STOP = web.AppKey[Callable[[], None]]("stop")
