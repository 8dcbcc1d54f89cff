"""The keys under which the applications keep what their handlers share.

A handler looks in `request.config_dict`, where a sub-application has what the root has too.
"""

import asyncio
from collections.abc import Callable

from aiohttp import web

from adapter.caption.prompts import PromptBook
from adapter.captioner.answering import Captioner
from adapter.captioner.idling import Idling
from adapter.captioner.speculation import Speculation
from adapter.engine.fleet import Fleet
from adapter.engine.gpus import GPU
from adapter.settings import Settings
from adapter.web.delivery import Delivery
from adapter.web.keep_alive import KeepAlive
from adapter.web.metrics import Metrics
from adapter.web.openai.virtual_models import VirtualModels
from adapter.web.remote_image import RemoteImages
from adapter.web.request_body import Bodies
from adapter.web.vitals import Vitals

SETTINGS = web.AppKey("settings", Settings)
BOOK = web.AppKey("book", PromptBook)
METRICS = web.AppKey("metrics", Metrics)
BODIES = web.AppKey("bodies", Bodies)
DELIVERY = web.AppKey("delivery", Delivery)
KEEP_ALIVE = web.AppKey("keep_alive", KeepAlive)
# Set when somebody has pressed a stop button, and watches.
HURRY = web.AppKey("hurry", asyncio.Event)
# Ends the service once the requests under way have their answers.
STOP = web.AppKey[Callable[[], None]]("stop")

# There from the start of the application to its end.
GPUS = web.AppKey[tuple[GPU, ...] | None]("gpus")  # None: nvidia-smi doesn't tell
FLEET = web.AppKey("fleet", Fleet)
CAPTIONER = web.AppKey("captioner", Captioner)
SPECULATION = web.AppKey("speculation", Speculation)
IDLING = web.AppKey("idling", Idling)
VITALS = web.AppKey("vitals", Vitals)

# Only in /v1.
MODELS = web.AppKey("models", VirtualModels)
STARTED = web.AppKey("started", int)  # Unix time, in seconds
REMOTE_IMAGES = web.AppKey("remote_images", RemoteImages)
