"""The routes of the legacy REST contract, and the face that they make."""

import asyncio
import time
from typing import Any, TypeVar

from aiohttp import web

from adapter.captioner.priority import Priority
from adapter.errors import CaptionError, ForeignRequestError, WrongFieldError
from adapter.images.sources import ImageFile
from adapter.web.access_log import TRACE, polled
from adapter.web.api_key import has_key
from adapter.web.app_keys import (
    BODIES,
    BOOK,
    CAPTIONER,
    FLEET,
    GPUS,
    HURRY,
    IDLING,
    KEEP_ALIVE,
    SETTINGS,
    SPECULATION,
    STOP,
    VITALS,
)
from adapter.web.callers import is_loopback
from adapter.web.error_response import json_response, public_error
from adapter.web.face import Face
from adapter.web.legacy.fields import (
    BatchBody,
    CaptionBody,
    CaptionOptions,
    ProgressQuery,
    ReleaseBody,
    engine_body,
    error_body,
    result_body,
)
from adapter.web.wire import validate

Body = TypeVar("Body", bound=CaptionOptions)

routes = web.RouteTableDef()


@routes.get("/health")
@polled
async def health(request: web.Request) -> web.Response:
    """Answers anyone. Without the key, where there is one, the answer says only whether to caption."""
    shared = request.config_dict
    fleet, settings = shared[FLEET], shared[SETTINGS]
    expected = fleet.expects_captions(settings.engine_wait_s)
    body: dict[str, Any] = {"status": "healthy", "model_loaded": expected}
    if has_key(request, settings.key):
        gpus = shared[GPUS] or ()
        body |= {
            "gpu_available": bool(gpus),
            "gpu_count": len(gpus),
            "loading_progress": fleet.status.progress.as_dict(),
            "engine": fleet.status.state,
            "engines": [engine_body(engine, gpus) for engine in fleet.engines],
        }
    return json_response(body)


@routes.get("/progress")
@polled
async def progress(request: web.Request) -> web.Response:
    """Answers how far the engine is, while it is on its way after a time in which that may have changed.

    AI-Toolkit's UI asks 120 times, each a second after the last answer, and then takes the service for dead;
    the first start may download 17 GB.
    """
    shared = request.config_dict
    wait_s = validate(dict(request.query), ProgressQuery).wait_s
    return json_response((await shared[VITALS].progress(wait_s)).as_dict())


@routes.get("/prompts")
async def prompts(request: web.Request) -> web.Response:
    """Answers what can be chosen."""
    book = request.config_dict[BOOK]
    return json_response(
        {
            "prompts": dict(book.style_prompts),
            "styles": list(book.styles),
            "joycaption_types": list(book.caption_types),
        }
    )


@routes.post("/caption")
async def caption(request: web.Request) -> web.StreamResponse:
    """Captions one image."""
    shared = request.config_dict
    captioner = shared[CAPTIONER]
    body = await read_body(request, CaptionBody)
    asked = body.caption_request(shared[BOOK])
    image = ImageFile(body.image_path)
    trace = request[TRACE]
    trace.subject = body.image_path

    async def work() -> dict[str, Any]:
        # What can be refused is refused before the answer may have to be begun.
        await captioner.inspect(image)
        # Neither the contract nor styles.json has a seed: each answer is a new sample, made ahead or not.
        answer = await shared[SPECULATION].ask(body.image_path, asked, trace)
        return result_body(body.image_path, answer) | {"prompt_used": asked.prompt}

    async with captioner.admit(1, outlasts_restarts=True):
        return await shared[KEEP_ALIVE].answer(request, work(), late_error=error_body)


@routes.post("/batch_caption")
async def batch_caption(request: web.Request) -> web.StreamResponse:
    """Captions several images, all in flight at once. The results keep the order of `image_paths`."""
    started = time.monotonic()
    shared = request.config_dict
    captioner = shared[CAPTIONER]
    body = await read_body(request, BatchBody)
    paths = body.image_paths
    if len(paths) > captioner.admission.capacity:
        problem = f"holds {len(paths)} paths; at most {captioner.admission.capacity} are taken at one time"
        raise WrongFieldError("image_paths", problem)
    asked = body.caption_request(shared[BOOK])
    trace = request[TRACE]
    trace.subject = f"{len(paths)} files"

    async def result(path: str) -> dict[str, Any]:
        try:
            return result_body(path, await captioner.ask(ImageFile(path), asked, trace, Priority.BATCH))
        except CaptionError as error:
            return {"image_path": path} | error_body(public_error(request, error))

    async def work() -> dict[str, Any]:
        results = await asyncio.gather(*map(result, paths))
        successful = sum(result["success"] for result in results)
        return {
            "success": True,
            "results": results,
            "total_images": len(results),
            "successful_captions": successful,
            "failed_captions": len(results) - successful,
            "total_time": round(time.monotonic() - started, 3),
            "prompt_used": asked.prompt,
        }

    async with captioner.admit(len(paths), outlasts_restarts=True):
        return await shared[KEEP_ALIVE].answer(request, work(), late_error=error_body)


@routes.post("/release")
async def release(request: web.Request) -> web.Response:
    """Ends the engines, and answers once their memory is free. The next request starts them again.

    Without a key, only this machine may ask for it.
    """
    shared = request.config_dict
    _refuse_others(request, "ask for the GPU")
    has_body = request.can_read_body
    fields = await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes) if has_body else {}
    await shared[IDLING].release(force=validate(fields, ReleaseBody).force)
    return json_response(
        {
            "status": "released",
            "message": "The engine has ended; the next request starts it again",
        }
    )


@routes.post("/shutdown")
async def shutdown(request: web.Request) -> web.Response:
    """Answers, and then the service and its engine end: the UI's stop button.

    Without a key, only this machine may press it.
    """
    shared = request.config_dict
    _refuse_others(request, "shut the service down")
    shared[HURRY].set()
    shared[STOP]()
    return json_response(
        {"status": "shutting_down", "message": "The service and its engine are shutting down"}
    )


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """Gives the request's body as `kind`. Raises as `Bodies.read_object` does, and WrongFieldError."""
    shared = request.config_dict
    return validate(await shared[BODIES].read_object(request, shared[SETTINGS].max_body_bytes), kind)


def _refuse_others(request: web.Request, what: str) -> None:
    """Refuses a request from another machine where there is no key that it must have shown."""
    if request.config_dict[SETTINGS].key is None and not is_loopback(request.remote or ""):
        raise ForeignRequestError(f"Only this machine may {what}")


LEGACY = Face("legacy", error_body, open_handlers=frozenset({health}))
