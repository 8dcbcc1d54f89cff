"""The text file beside an image: its name, what is in it, and how it changes: whole or not at all."""

import contextlib
import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum

from adapter.chat import AFTER_TRIGGER, to_text
from adapter.dataset.scan import stable_hash
from adapter.errors import CaptionError

SENTENCE_END = (".", "!", "?", ":", ";", ",", "\n")
SHORT_BYTES = 16  # a file up to this size may be nothing but blanks, and is worth a look


class Existing(StrEnum):
    """What becomes of a text that is there already."""

    SKIP = "skip"
    OVERWRITE = "overwrite"
    APPEND = "append"
    PREPEND = "prepend"


class WriteError(CaptionError):
    """A text can't be written; `number` is the system's errno."""

    def __init__(self, message: str, number: int = 0) -> None:
        super().__init__(message)
        self.number = number


@dataclass(frozen=True)
class Naming:
    """How sidecars are called. `full_name`: `a.png.txt` rather than `a.txt`."""

    extension: str = ".txt"
    full_name: bool = False

    def sidecar(self, image: str, style: str) -> str:
        """The path of `image`'s text, of that style when it has several."""
        stem = image if self.full_name else os.path.splitext(image)[0]
        return f"{stem}.{style}{self.extension}" if style else stem + self.extension


def content_hash(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:16]


def read(path: str) -> bytes | None:
    """What is in the sidecar, None when there is none or only blanks. Raises WriteError."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise WriteError(f"The text can't be read: {error.strerror}", error.errno or 0) from error
    return content if content.strip() else None


def exists(path: str) -> bool:
    """Whether there is a sidecar with a text in it, without reading more than needed. Raises WriteError."""
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise WriteError(f"There can be no text: {error.strerror}", error.errno or 0) from error
    return size > SHORT_BYTES or (size > 0 and read(path) is not None)


def combine(existing: bytes | None, text: str, how: Existing, trigger: str) -> bytes:
    """The sidecar's new content. Beside an existing text the trigger still stands first, and once."""
    new = text.encode()
    if existing is None or how not in (Existing.APPEND, Existing.PREPEND):
        return new
    old = existing.decode("utf-8", "surrogateescape").strip()
    parts = [_without(old, trigger), _without(text, trigger)]
    if how is Existing.PREPEND:
        parts.reverse()
    first, second = parts
    if first and second:
        first += " " if first.endswith(SENTENCE_END) else ", "
    return to_text(first + second, trigger).encode("utf-8", "surrogateescape")


def _without(text: str, trigger: str) -> str:
    """`text` without the trigger at its beginning."""
    trigger = trigger.strip()
    if trigger and to_text(text, trigger) == trigger + text[len(trigger) :]:
        return text[len(trigger) :].removeprefix(AFTER_TRIGGER).lstrip()
    return text


def write_temporary(path: str, content: bytes) -> str:
    """`content` in a file beside `path`, safe on the disk; the file's path. Raises WriteError.

    The name follows from that of the sidecar, so that what a killed run leaves behind is used up by the next.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".joycaption-{stable_hash(name):016x}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        discard(temporary)
        raise WriteError(f"The text can't be written: {error.strerror}", error.errno or 0) from error
    return temporary


def put_in_place(temporary: str, path: str) -> None:
    """Makes the temporary file the sidecar. Raises WriteError."""
    try:
        os.replace(temporary, path)
    except OSError as error:
        discard(temporary)
        raise WriteError(f"The text can't be written: {error.strerror}", error.errno or 0) from error


def sync_folder(folder: str) -> None:
    """Makes new names in the folder safe on the disk, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def discard(temporary: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(temporary)
