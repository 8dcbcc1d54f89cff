"""Where the application keeps what its handlers share."""

from aiohttp import web

from adapter.captioner import Captioner
from adapter.engine.launcher import Engine
from adapter.prompts import PromptBook

BOOK = web.AppKey("book", PromptBook)
ENGINE = web.AppKey("engine", Engine)
CAPTIONER = web.AppKey("captioner", Captioner)
GPU_COUNT = web.AppKey("gpu_count", int)
