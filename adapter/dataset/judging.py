"""Reads and judges the texts of a folder, many at a time, in this process or in several.

Nothing here is about the dataset as a whole: that is `checking`'s.
"""

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice

from adapter.caption.brief import Brief
from adapter.caption.flaws import Flaw, Form
from adapter.caption.quality import judge
from adapter.caption.text_form import guess_form
from adapter.dataset.clip_length import clip_tokens
from adapter.dataset.texts import text_file
from adapter.errors import OutOfResourcesError, WriteError
from adapter.stable_hash import stable_hash

# Texts that are judged together. The first ones are judged here: processes take a while to start.
CHUNK = 256
MAX_CHUNKS_HERE = 4
KEPT_CHARACTERS = 4000  # of a text
SHOWN_CHARACTERS = 120  # of what shows a flaw,
CONTEXT_CHARACTERS = 20  # and of what stands before and behind it

Named = tuple[str, str]  # the paths of a text and of its image


@dataclass(frozen=True, slots=True)
class Standard:
    """What texts below the folder `root` are meant to be. With `form` None each text itself tells."""

    root: str
    form: Form | None = None
    trigger: str = ""
    follow_links: bool = False

    def brief(self, text: str) -> Brief:
        """Gives what a text is judged by."""
        return Brief(self.form or guess_form(text), trigger=self.trigger)


@dataclass(frozen=True, slots=True)
class Read:
    """A text that was read, or the `problem` that kept it from being so. `path` is below the folder.

    Of the text only the beginning is kept, and `excerpts` that show its flaws, one for each; `digest` is of
    all of it. `clip_tokens` is as in `clip_length`. `image_bytes` is the size of its image's file, None where
    that is gone.
    """

    path: str
    text: str = ""
    flaws: tuple[Flaw, ...] = ()
    excerpts: tuple[str, ...] = ()
    digest: int = 0
    clip_tokens: int | None = None
    image_bytes: int | None = None
    problem: str = ""


def read_and_judge(standard: Standard, named: Sequence[Named]) -> list[Read]:
    """Gives what was found about each text that is there."""
    return [read for text, image in named if (read := _read_and_judge(standard, text, image)) is not None]


def judged(standard: Standard, named: Iterable[Named], executor: Executor, workers: int) -> Iterator[Read]:
    """Yields what was found about each text that is there, in their order.

    Small datasets are judged here, and large ones by the executor's `workers` too. Raises OutOfResourcesError
    where one of them was killed.
    """
    remaining = iter(named)
    size = 1  # the first ones at once
    for _ in range(MAX_CHUNKS_HERE + CHUNK.bit_length()):
        chunk = list(islice(remaining, size))
        yield from read_and_judge(standard, chunk)
        size = min(2 * size, CHUNK)
    under_way: deque[Future[list[Read]]] = deque()
    try:
        while chunk := list(islice(remaining, CHUNK)):
            under_way.append(executor.submit(read_and_judge, standard, chunk))
            if len(under_way) > 2 * workers:
                yield from under_way.popleft().result()
        while under_way:
            yield from under_way.popleft().result()
    except BrokenProcessPool as error:
        raise OutOfResourcesError("A process that judged texts was killed; was the memory full?") from error
    finally:
        for future in under_way:
            future.cancel()


def _read_and_judge(standard: Standard, path: str, image: str) -> Read | None:
    place = os.path.join(standard.root, path)
    try:
        content = text_file.read(place, follow_links=standard.follow_links)
    except WriteError as error:
        return Read(path, problem=error.message)
    if content is None:
        with contextlib.suppress(OSError):
            os.lstat(place)
            content = b""  # there is a file with nothing in it
    if content is None:
        return None
    text = decoded(content)
    flaws = judge(text, standard.brief(text))
    excerpts = tuple(_excerpt(text, flaw) for flaw in flaws)
    image_bytes = None
    with contextlib.suppress(OSError):
        image_bytes = os.stat(os.path.join(standard.root, image)).st_size
    kept = text[:KEPT_CHARACTERS]
    return Read(path, kept, flaws, excerpts, stable_hash(text), clip_tokens(text), image_bytes)


def decoded(content: bytes) -> str:
    """Gives what a file says, as it is judged."""
    return content.decode("utf-8-sig", "replace").strip()


def _excerpt(text: str, flaw: Flaw) -> str:
    start = max(flaw.start - CONTEXT_CHARACTERS, 0)
    end = min(flaw.end + CONTEXT_CHARACTERS, start + SHOWN_CHARACTERS, len(text))
    return ("…" if start else "") + text[start:end] + ("…" if end < len(text) else "")
