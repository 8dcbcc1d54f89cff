"""The legacy REST contract, as AI-Toolkit's web UI speaks it: wire models and handlers.

The legacy words (`max_new_tokens`, `do_sample`, `joycaption_types`) are used here and nowhere else.
"""

import asyncio
import time
from typing import Annotated, Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from adapter.captioner import Captioner, TimedCaption
from adapter.chat import CaptionRequest, SamplingParameters
from adapter.engine.launcher import Engine
from adapter.errors import CaptionError, InvalidRequestError
from adapter.prompts import DEFAULT_LENGTH, DEFAULT_STYLE, PromptBook
from adapter.web.keys import BOOK, CAPTIONER, ENGINE, GPU_COUNT, PATIENCE, STOP
from adapter.web.middleware import error_body, json_response

Body = TypeVar("Body", bound="CaptionOptions")

routes = web.RouteTableDef()


def _count_as_text(value: Any) -> Any:
    """A word count may come as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _normal_top_k(value: Any) -> Any:
    """0 and -1 are other ways to say that nothing is cut."""
    return None if value in (0, -1) and not isinstance(value, bool) else value


class CaptionOptions(BaseModel):
    """What `/caption` and `/batch_caption` share. A null counts as absent, unknown fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)

    prompt: str = ""
    caption_type: str = ""
    caption_length: Annotated[str, BeforeValidator(_count_as_text)] = DEFAULT_LENGTH
    extra_options: list[str] = []
    name_input: str = ""
    style: str = DEFAULT_STYLE
    max_new_tokens: Annotated[int, Field(ge=1, le=2048)] | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    top_k: Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_normal_top_k)] = None
    do_sample: bool = True

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        return {name: value for name, value in fields.items() if value is not None}

    def build_prompt(self, book: PromptBook) -> str:
        return book.build(
            prompt=self.prompt.strip() and self.prompt,
            caption_type=self.caption_type,
            caption_length=self.caption_length.strip().lower(),
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

    image_path: Annotated[str, Field(min_length=1)]


class BatchBody(CaptionOptions):
    """The body of `POST /batch_caption`."""

    image_paths: list[str]


@routes.get("/health")
async def health(request: web.Request) -> web.Response:
    engine = request.app[ENGINE]
    gpu_count = request.app[GPU_COUNT]
    return json_response(
        {
            "status": "healthy",
            "model_loaded": engine.ready,
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
    prompt = body.build_prompt(book)

    async def work() -> dict[str, Any]:
        # What can be refused is refused before the answer may have to be begun.
        await captioner.inspect(body.image_path)
        result = await captioner.caption(
            CaptionRequest.build(body.image_path, prompt, book, body.sampling(book))
        )
        return result_body(body.image_path, result) | {"prompt_used": prompt}

    with captioner.admit(1):
        return await request.app[PATIENCE].answer(request, work())


@routes.post("/batch_caption")
async def batch_caption(request: web.Request) -> web.StreamResponse:
    """All images in flight at once; each has a result of its own, in the order of `image_paths`."""
    started = time.monotonic()
    book = request.app[BOOK]
    captioner: Captioner = request.app[CAPTIONER]
    body = await read_body(request, BatchBody)
    prompt = body.build_prompt(book)
    sampling = body.sampling(book)

    async def one(path: str) -> dict[str, Any]:
        try:
            result = await captioner.caption(CaptionRequest.build(path, prompt, book, sampling))
        except CaptionError as error:
            return {"image_path": path} | error_body(error.message)
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

    with captioner.admit(len(body.image_paths)):
        return await request.app[PATIENCE].answer(request, work())


@routes.post("/shutdown")
async def shutdown(request: web.Request) -> web.Response:
    """The UI's stop button: answers, then the service and its engine end."""
    request.app[STOP]()
    return json_response(
        {"status": "shutting_down", "message": "The service and its engine are shutting down"}
    )


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


async def read_body(request: web.Request, kind: type[Body]) -> Body:
    """The request's JSON object as `kind`. Raises InvalidRequestError naming the field at fault."""
    try:
        fields = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise InvalidRequestError("The request body must be JSON") from error
    if not isinstance(fields, dict):
        raise InvalidRequestError("The request body must be a JSON object")
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise _first_mistake(error) from error


def _first_mistake(error: ValidationError) -> InvalidRequestError:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing" or (field == "image_path" and first["type"] == "string_too_short"):
        return InvalidRequestError(f"{field} is required", field)
    return InvalidRequestError(f"{field}: {first['msg']}", field)
