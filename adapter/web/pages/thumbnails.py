"""Small pictures of images, kept so that each is made once. They lie outside of all datasets."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from adapter.web.pages.whole_file import replace_file

MAX_BYTES: Final = 2 * 2**30
KEPT_SHARE: Final = 0.8  # of MAX_BYTES, when there were more
MAX_FILE_BYTES: Final = 2**20


class Thumbnails:
    """Keeps up to `max_bytes` of them in `folder`; the oldest are dropped.

    Where nothing can be kept, each is made anew.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._bytes: int | None = None  # not known yet
        self._writing = asyncio.Lock()

    async def get(self, path: str, version: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Gives the picture of the image at `path` in this `version`. Raises what `make` raises."""
        name = hashlib.sha256(os.fsencode(f"{path}\0{version}")).hexdigest()
        place = self._folder / name[:2] / f"{name[2:]}.webp"
        if kept := await asyncio.to_thread(_read, place):
            return kept
        picture = await make()
        if len(picture) <= MAX_FILE_BYTES:
            async with self._writing:
                await asyncio.to_thread(self._keep, place, picture)
        return picture

    def _keep(self, place: Path, picture: bytes) -> None:
        with contextlib.suppress(OSError):  # then it is made again
            replace_file(place, picture)
            self._count(len(picture))

    def _count(self, more_bytes: int) -> None:
        """Drops the oldest where there are too many."""
        if self._bytes is not None:
            self._bytes += more_bytes
            if self._bytes <= self._max_bytes:
                return
        known = [(path.stat(), path) for path in self._folder.glob("*/*.webp")]
        self._bytes = sum(status.st_size for status, _ in known)
        if self._bytes <= self._max_bytes:
            return
        for status, path in sorted(known, key=lambda one: one[0].st_mtime):
            path.unlink(missing_ok=True)
            self._bytes -= status.st_size
            if self._bytes <= KEPT_SHARE * self._max_bytes:
                return


def _read(place: Path) -> bytes:
    """Gives what is kept there, nothing where there is none."""
    with contextlib.suppress(OSError):
        descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with open(descriptor, "rb") as file:
            return file.read(MAX_FILE_BYTES)
    return b""
