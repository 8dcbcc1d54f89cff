"""The legacy REST contract, as AI-Toolkit's web UI speaks it: wire models and handlers.

The legacy words (`max_new_tokens`, `do_sample`, `joycaption_types`) are used here and nowhere else.
"""

import asyncio
import ipaddress
import os
import time
from typing import Annotated, Any, TypeVar

from aiohttp import web
from pydantic import AfterValidator, Field

from adapter.captioner import Captioner, TimedCaption
from adapter.chat import CaptionRequest, SamplingParameters
from adapter.engine.launcher import Engine
from adapter.errors import CaptionError, ForeignRequestError, InvalidRequestError
from adapter.prompts import PromptBook
from adapter.sources import ImageFile
from adapter.web.auth import has_key
from adapter.web.keys import BODIES, BOOK, CAPTIONER, ENGINE, GPU_COUNT, HURRY, PATIENCE, SETTINGS, STOP
from adapter.web.middleware import json_response, to_caption_error
from adapter.web.observing import TRACE
from adapter.web.wire import PromptOptions, Temperature, TopK, TopP, validate

Body = TypeVar("Body", bound="CaptionOptions")

routes = web.RouteTableDef()


def _absolute(path: str) -> str:
    if not os.path.isabs(path):
        raise ValueError("must be an absolute path")
    return path


class CaptionOptions(PromptOptions):
    """What `/caption` and `/batch_caption` share."""

    prompt: str = ""
    max_new_tokens: Annotated[int, Field(ge=1, le=2048)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK = None
    do_sample: bool = True

    def build_prompt(self, book: PromptBook) -> str:
        return book.build(
            prompt=self.prompt.strip() and self.prompt,
            caption_type=self.caption_type,
            caption_length=self.caption_length,
            style=self.style,
            extra_options=self.extra_options,
            name=self.name_input,
        )

    def sampling(self, book: PromptBook) -> SamplingParameters:
        defaults = book.sampling
        temperature = defaults.temperature if self.temperature is None else self.temperature
        return SamplingParameters(
            temperature=temperature if self.do_sample else 0.0,
            top_p=self.top_p or defaults.top_p,
            top_k=self.top_k or defaults.top_k,
            max_tokens=self.max_new_tokens or defaults.max_tokens,
        )


class CaptionBody(CaptionOptions):
    """The body of `POST /caption`."""

    image_path: Annotated[str, AfterValidator(_absolute)]


class BatchBody(CaptionOptions):
    """The body of `POST /batch_caption`."""

    image_paths: list[str]


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    """Open to everyone; to who has no key where one is wanted, it tells only whether to caption."""
    engine = request.app[ENGINE]
    gpu_count = request.app[GPU_COUNT]
    answer = {"status": "healthy", "model_loaded": engine.ready}
    if not has_key(request, request.app[SETTINGS].key):
        return json_response(answer)
    return json_response(
        answer
        | {
            "gpu_available": gpu_count > 0,
            "gpu_count": gpu_count,
            "loading_progress": engine.progress.as_dict(),
        }
    )


@routes.get("/progress")
async def progress(request: web.Request) -> web.Response:
    engine: Engine = request.app[ENGINE]
    return json_response(engine.progress.as_dict())


@routes.get("/prompts")
async def prompts(request: web.Request) -> web.Response:
    book = request.app[BOOK]
    return json_response(
        {
            "prompts": dict(book.style_prompts),
            "styles": list(book.styles),
            "joycaption_types": list(book.caption_types),
        }
    )


@routes.post("/caption")
async def caption(request: web.Request) -> web.StreamResponse:
    book = request.app[BOOK]
    captioner: Captioner = request.app[CAPTIONER]
    body = await read_body(request, CaptionBody)
    image = ImageFile(body.image_path)
    prompt = body.build_prompt(book)
    trace = request[TRACE]
    trace.subject = body.image_path

    async def work() -> dict[str, Any]:
        # What can be refused is refused before the answer may have to be begun.
        await captioner.inspect(image)
        asked = CaptionRequest.build(image, prompt, book, body.sampling(book))
        result = await captioner.caption(asked, trace)
        return result_body(body.image_path, result) | {"prompt_used": prompt}

    async with captioner.admit(1):
        return await request.app[PATIENCE].answer(request, work(), late_error=error_body)


@routes.post("/batch_caption")
async def batch_caption(request: web.Request) -> web.StreamResponse:
    """All images in flight at once; each has a result of its own, in the order of `image_paths`."""
    started = time.monotonic()
    book = request.app[BOOK]
    captioner: Captioner = request.app[CAPTIONER]
    body = await read_body(request, BatchBody)
    if len(body.image_paths) > captioner.capacity:
        raise InvalidRequestError(f"image_paths: at most {captioner.capacity} at one time", "image_paths")
    prompt = body.build_prompt(book)
    sampling = body.sampling(book)
    trace = request[TRACE]
    trace.subject = f"{len(body.image_paths)} files"

    async def one(path: str) -> dict[str, Any]:
        try:
            asked = CaptionRequest.build(ImageFile(path), prompt, book, sampling)
            result = await captioner.caption(asked, trace)
        except CaptionError as error:
            return {"image_path": path} | error_body(to_caption_error(request, error))
        return result_body(path, result)

    async def work() -> dict[str, Any]:
        results = await asyncio.gather(*map(one, body.image_paths))
        successful = sum(result["success"] for result in results)
        return {
            "success": True,
            "results": results,
            "total_images": len(results),
            "successful_captions": successful,
            "failed_captions": len(results) - successful,
            "total_time": round(time.monotonic() - started, 3),
            "prompt_used": prompt,
        }

    async with captioner.admit(len(body.image_paths)):
        return await request.app[PATIENCE].answer(request, work(), late_error=error_body)


@routes.post("/shutdown")
async def shutdown(request: web.Request) -> web.Response:
    """The UI's stop button: answers, then the service and its engine end. From elsewhere only with a key."""
    if request.app[SETTINGS].key is None and not _is_from_here(request):
        raise ForeignRequestError("Only this machine may shut the service down")
    request.app[HURRY].set()
    request.app[STOP]()
    return json_response(
        {"status": "shutting_down", "message": "The service and its engine are shutting down"}
    )


def _is_from_here(request: web.Request) -> bool:
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def result_body(path: str, result: TimedCaption) -> dict[str, Any]:
    """One image's success, as `/caption` and each entry of a batch have it."""
    return {
        "success": True,
        "caption": result.caption.text,
        "generation_time": round(result.seconds, 3),
        "image_path": path,
        "finish_reason": result.caption.finish_reason,
        "completion_tokens": result.caption.completion_tokens,
    }


def error_body(error: CaptionError) -> dict[str, Any]:
    """What clients of the legacy contract read `error` from."""
    return {"success": False, "error": error.message}


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """The request's JSON object as `kind`. Raises InvalidRequestError naming the field at fault."""
    fields = await request.app[BODIES].read_object(request, request.app[SETTINGS].max_body_bytes)
    if fields.get("image_path") == "":
        raise InvalidRequestError("image_path is required", "image_path")
    return validate(fields, kind)
