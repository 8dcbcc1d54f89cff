"""One image of a shard with its key, or what is wrong with it. Keys come from anybody."""

from dataclasses import dataclass, field

from adapter.dataset.records import COMMANDS, encodable, on_one_line
from adapter.errors import CaptionError, ImageError, ImageTooLargeError

MAX_KEY_BYTES = 4096
SHOWN_KEY = 200  # characters of a key that can't be one


@dataclass(frozen=True)
class Sample:
    """An image of a shard: its file's bytes, or the error that comes instead."""

    key: str
    image: bytes | CaptionError = field(repr=False)


def sample_of(key: str, image: bytes | CaptionError) -> Sample:
    """Gives the sample of that key. One that could lead out of a folder, or hides something, is an error.

    Whoever reads the output may make file names of keys.
    """
    text = encodable(key)
    problem = ""
    if len(text.encode()) > MAX_KEY_BYTES:
        problem = f"is longer than {MAX_KEY_BYTES} bytes"
    elif not text:
        problem = "is empty"
    elif text.startswith("/") or ".." in text.split("/"):
        problem = "leads out of the dataset"
    elif COMMANDS.search(text) or "\n" in text:
        problem = "holds control characters"
    if problem:
        return Sample(on_one_line(key)[:SHOWN_KEY], ImageError(f"The key {problem}"))
    return Sample(text, image)


def too_large(max_bytes: int) -> ImageTooLargeError:
    """Gives the error for an image of more bytes."""
    return ImageTooLargeError(f"The file is larger than {max_bytes} bytes")
