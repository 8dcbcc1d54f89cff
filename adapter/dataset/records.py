"""What a ledger keeps: an entry for each text, and a failure for each that couldn't be made."""

import re
import time
from dataclasses import dataclass, replace

from adapter.errors import BadCaptionError, CaptionError

# Control characters except tabs and line ends, and those that reorder what stands around them.
COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
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

    @property
    def is_sound(self) -> bool:
        """Whether the fields that decide something are of their types: the ledger may be anybody's."""
        return (
            isinstance(self.style, str)
            and self.state in (WRITTEN, FOUND)
            and all(isinstance(value, str | None) for value in (self.details, self.text))
            and all(isinstance(value, bytes | None) for value in (self.hash, self.previous_hash))
        )


def later(one: Entry | None, other: Entry) -> Entry:
    """Gives that entry of a text which was recorded last; the `other` where nobody knows.

    One that was only found counts as older than any that was written.
    """
    return one if one is not None and recorded_at(one) > recorded_at(other) else other


def recorded_at(entry: Entry) -> float:
    """Gives when a text was written, as Unix time; 0.0 for one that was only found."""
    return entry.at if isinstance(entry.at, float | int) else 0.0  # a ledger may hold anything


@dataclass(frozen=True)
class Failure:
    """A text that couldn't be made. `code` is the error's, `at` Unix time in seconds.

    `refused` is a caption that was too bad to be written, and `flaws` names the kinds of what is wrong with
    it.
    """

    image: str
    output: str
    code: str
    message: str
    at: float
    refused: str = ""
    flaws: tuple[str, ...] = ()


def to_failure(image: str, output: str, error: CaptionError) -> Failure:
    """Gives `error` as the ledger keeps it, its text fit for any file."""
    failure = Failure(image, output, error.code, on_one_line(error.message), time.time())
    if isinstance(error, BadCaptionError):
        return replace(failure, refused=error.text, flaws=error.flaws)
    return failure


def encodable(text: str) -> str:
    """Gives `text` with what no UTF-8 can hold escaped: bytes of names that aren't UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def displayed(text: str) -> str:
    """Gives `text` with what a terminal would obey, or can't show, escaped as in JSON; lines stay lines."""
    return COMMANDS.sub(lambda found: f"\\u{ord(found.group()):04x}", encodable(text))


def on_one_line(text: str) -> str:
    """Gives a name as `displayed` does, its line ends escaped as well."""
    return displayed(text).replace("\n", "\\n")
