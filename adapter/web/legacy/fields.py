"""The fields of the legacy REST contract, in requests and in answers.

The legacy words (`max_new_tokens`, `do_sample`, `joycaption_types`) are used in this package alone.
"""

import os
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from adapter.caption.answer import Answer
from adapter.caption.prompts import PromptBook
from adapter.caption.request import CaptionRequest, Limit, question
from adapter.caption.sampling import Sampling
from adapter.engine.endpoint import Engine
from adapter.engine.gpus import GPU
from adapter.errors import CaptionError
from adapter.field_names import fields_named
from adapter.web.plain_http import MAX_PROGRESS_WAIT_S
from adapter.web.wire import PROMPT_FIELD_NAMES, OwnPromptOptions, Temperature, TopK, TopP, WireModel


def _absolute(path: str) -> str:
    if not path:
        raise PydanticCustomError("missing", "is required")
    if not os.path.isabs(path):
        raise ValueError("must be an absolute path")
    return path


class CaptionOptions(OwnPromptOptions):
    """The fields that `/caption` and `/batch_caption` share."""

    max_new_tokens: Annotated[int, Field(ge=1, le=2048)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK = None
    do_sample: bool = True

    def sampling(self, book: PromptBook) -> Sampling:
        """Gives the sampling values: the book's, where the request doesn't say anything else."""
        return book.sampling_for(self.whole_choice).overridden(
            temperature=self.temperature if self.do_sample else 0.0,
            top_p=self.top_p,
            top_k=self.top_k,
            max_tokens=self.max_new_tokens,
        )

    def caption_request(self, book: PromptBook) -> CaptionRequest:
        """Gives what the model is asked. Raises UnknownStyleError and WrongFieldError, by the fields' names
        here.
        """
        with fields_named(PROMPT_FIELD_NAMES):
            prompt = book.prompt(self.whole_choice)
        return CaptionRequest(
            question(prompt, book.system_prompt),
            self.sampling(book),
            brief=book.briefs.of(prompt),
            limit=Limit.DEFAULT if self.max_new_tokens is None else Limit.CHOSEN,
        )


class CaptionBody(CaptionOptions):
    """The body of `POST /caption`."""

    image_path: Annotated[str, AfterValidator(_absolute)]


class BatchBody(CaptionOptions):
    """The body of `POST /batch_caption`."""

    image_paths: list[str]


class ProgressQuery(WireModel):
    """The query of `GET /progress`: for how long, in seconds, it may wait for something to change."""

    wait_s: Annotated[float, Field(ge=0, le=MAX_PROGRESS_WAIT_S, strict=False)] = MAX_PROGRESS_WAIT_S


class ReleaseBody(WireModel):
    """The body of `POST /release`, which may be left out."""

    force: bool = False


def engine_body(engine: Engine, gpus: Sequence[GPU]) -> dict[str, Any]:
    """Gives an entry of /health's list of engines. `gpus` are all that there are, which it names by index."""
    identity, endpoint = engine.identity, engine.endpoint
    body = {
        "name": identity.name,
        "state": engine.status.value.state,
        "in_flight": endpoint.in_flight if endpoint is not None else 0,
    }
    if identity.url is not None:
        return body | {"url": identity.url}
    uuids = identity.gpus or ()
    return body | {"gpu": ",".join(str(gpu.index) for gpu in gpus if gpu.uuid in uuids) or None}


def result_body(path: str, answer: Answer) -> dict[str, Any]:
    """Gives the success of one image, as `/caption` and each entry of a batch have it."""
    return {
        "success": True,
        "caption": answer.text,
        "generation_time": round(answer.seconds, 3),
        "image_path": path,
        "finish_reason": answer.finish_reason,
        "completion_tokens": answer.completion_tokens,
        "flaws": [flaw.as_dict() for flaw in answer.flaws or ()],
        "attempts": answer.attempts,
    }


def error_body(error: CaptionError) -> dict[str, Any]:
    """Gives the object in which the contract's clients look for `error`."""
    return {"success": False, "error": error.message}
