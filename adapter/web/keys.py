"""Where the application keeps what its handlers share."""

from collections.abc import Callable

from aiohttp import web

from adapter.captioner import Captioner
from adapter.engine.launcher import Engine
from adapter.prompts import PromptBook
from adapter.web.patience import Patience

BOOK = web.AppKey("book", PromptBook)
ENGINE = web.AppKey("engine", Engine)
CAPTIONER = web.AppKey("captioner", Captioner)
GPU_COUNT = web.AppKey("gpu_count", int)
PATIENCE = web.AppKey("patience", Patience)
# Ends the service, once the requests under way have their answers.
STOP = web.AppKey[Callable[[], None]]("stop")
