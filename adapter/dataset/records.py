"""What a ledger keeps: an entry for each text, and a failure for each that couldn't be made."""

import time
from dataclasses import dataclass

from adapter.errors import CaptionError

WRITTEN, FOUND = "written", "found"  # by a run, or there before


@dataclass(frozen=True)
class Entry:
    """A text of an image as the ledger knows it. `ledger_file` has what the fields mean."""

    output: str
    image: str
    style: str
    state: str
    size: int | None = None
    mtime_ns: int | None = None
    details: str | None = None
    hash: bytes | None = None
    previous_hash: bytes | None = None
    text: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    seconds: float | None = None
    finish_reason: str | None = None
    at: float | None = None


@dataclass(frozen=True)
class Failure:
    """A text that couldn't be made. `code` is the error's, `at` Unix time in seconds."""

    image: str
    output: str
    code: str
    message: str
    at: float


def to_failure(image: str, output: str, error: CaptionError) -> Failure:
    """Gives `error` as the ledger keeps it, its text fit for any file."""
    return Failure(image, output, error.code, displayed(error.message), time.time())


def displayed(text: str) -> str:
    """Gives `text` with what no terminal can show escaped: bytes of names that aren't UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
