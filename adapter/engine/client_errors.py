"""What went wrong with a request to an engine: aiohttp's errors and the engine's statuses as ours."""

import contextlib
from collections.abc import Iterator

import aiohttp

from adapter.errors import (
    CaptionError,
    EngineBusyError,
    EngineError,
    EngineRefusedError,
    EngineTimeoutError,
    EngineUnavailableError,
    InvalidRequestError,
    OutOfResourcesError,
)
from adapter.policy import is_shortage

CONTEXT_EXCEEDED = ("maximum context length", "max_model_len")


def to_ours(error: aiohttp.ClientError | OSError) -> CaptionError:
    """Gives our error for an error of aiohttp's client, or of the connection itself."""
    if isinstance(error, OSError) and is_shortage(error):
        return OutOfResourcesError.from_os(error)
    if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
        return EngineTimeoutError("The engine took too long")
    if isinstance(error, aiohttp.ClientConnectionError | OSError):
        return EngineUnavailableError("The engine can't be reached; try again soon")
    return EngineError("The engine's answer broke off")


@contextlib.contextmanager
def as_ours() -> Iterator[None]:
    """Turns the errors of aiohttp and of the connection into ours."""
    try:
        yield
    except (aiohttp.ClientError, OSError) as error:
        raise to_ours(error) from error


def refusal(status: int, answer: bytes) -> CaptionError:
    """Gives our error for a status of the engine's, with the engine's own text as its cause, for the log."""
    text = answer[:2000].decode("utf-8", "replace")
    error: CaptionError
    if status in (429, 503):
        error = EngineBusyError("The engine has too much to do; try again soon")
    elif status < 500 and any(hint in text for hint in CONTEXT_EXCEEDED):
        error = InvalidRequestError("The prompt is longer than the model's context: shorten it", "prompt")
    elif status < 500:
        error = EngineRefusedError("The engine refused the request")
    else:
        error = EngineError("The engine failed at this request")
    error.__cause__ = RuntimeError(f"engine answered {status}: {text}")
    return error
