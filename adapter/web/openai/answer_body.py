"""What `/v1` answers, in OpenAI's shapes: completions, chunks of them, models and errors.

Of the engine's answer OpenAI's fields are passed on, and no others.
"""

import time
from typing import Any

from openai.types import CompletionUsage, Model
from openai.types.shared import ErrorObject

from adapter.caption.answer import Answer, Choice, Chunk
from adapter.errors import CaptionError
from adapter.web.openai.virtual_models import VirtualModel


def model_body(model: VirtualModel, created: int) -> dict[str, Any]:
    """Gives an entry of the list of models. `created` is in Unix time."""
    shape = Model(id=model.id, created=created, object="model", owned_by="joycaption")
    return shape.model_dump(exclude_unset=True)


def error_body(error: CaptionError) -> dict[str, Any]:
    """Gives the object in which OpenAI's clients look for `error`."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    shape = ErrorObject(message=error.message, type=kind, param=error.field, code=error.code)
    return {"error": shape.model_dump(exclude_unset=True)}


def completion_body(answer: Answer, model: str) -> dict[str, Any]:
    """Gives a whole answer. `model` is the name that the client gave.

    Beside OpenAI's fields, `joycaption` tells what the judgement was, where there was one.
    """
    body = {
        "id": answer.id,
        "object": "chat.completion",
        "created": answer.created,
        "model": model,
        "choices": [_choice_body(choice) for choice in answer.choices],
        "usage": _usage_body(answer.prompt_tokens, answer.completion_tokens),
    }
    if answer.flaws is None:
        return body
    flaws = [flaw.as_dict() for flaw in answer.flaws]
    return body | {"joycaption": {"flaws": flaws, "attempts": answer.attempts}}


def chunk_body(chunk: Chunk, model: str, *, wants_usage: bool) -> dict[str, Any] | None:
    """Gives a chunk of an answer, None where it holds only a usage that the client doesn't want."""
    body: dict[str, Any] = {
        "id": chunk.get("id"),
        "object": "chat.completion.chunk",
        "created": chunk.get("created", int(time.time())),
        "model": model,
        "choices": chunk["choices"],
    }
    if chunk["choices"]:
        return body | {"usage": None} if wants_usage else body
    if not wants_usage:
        return None
    usage = chunk["usage"]
    prompt_tokens, completion_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return body | {"usage": _usage_body(prompt_tokens or 0, completion_tokens or 0)}


def _choice_body(choice: Choice) -> dict[str, Any]:
    logprobs = choice.logprobs
    return {
        "index": choice.index,
        "message": {"role": "assistant", "content": choice.text, "refusal": None},
        "logprobs": logprobs and {"content": logprobs.get("content"), "refusal": logprobs.get("refusal")},
        "finish_reason": choice.finish_reason,
    }


def _usage_body(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    usage = CompletionUsage(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        total_tokens=prompt_tokens + completion_tokens,
    )
    return usage.model_dump(exclude_unset=True)
