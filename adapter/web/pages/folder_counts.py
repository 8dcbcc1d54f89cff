"""Counts the images of folders, in threads of their own: nobody waits for a large folder or a slow disk."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass

from adapter.dataset.inputs.folder import find_images
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import InvalidRequestError

MAX_IMAGES = 20_000  # in each folder; beyond that the page says "more than"
MAX_FOLDER_S = 2.0  # for each folder,
MAX_COUNTING_S = 20.0  # and for all that are asked for together
MAX_THREADS = 8  # a disk that doesn't answer may hold some for ever
GATHER_S = 0.2


@dataclass(frozen=True)
class Count:
    """How many images there are below a folder, `captioned` of them with a text; `is_all` if all were
    counted.
    """

    images: int = 0
    captioned: int = 0
    is_all: bool = True


class FolderCounts:
    """Counts for whoever asks. `find` gives the images below a folder until it `is_enough`."""

    def __init__(self, find: Callable[..., Iterable[str]] = find_images) -> None:
        self._find = find
        self._threads: list[threading.Thread] = []

    async def of(self, folders: Sequence[str]) -> AsyncGenerator[dict[str, Count]]:
        """Yields the counts of folders, some at a time; none of those for which there is no time.

        It ends early where too many are counted already.
        """
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= MAX_THREADS:
            return
        loop = asyncio.get_running_loop()
        found: asyncio.Queue[tuple[str, Count] | None] = asyncio.Queue()
        unwanted = threading.Event()

        def tell(one: tuple[str, Count] | None) -> None:
            with contextlib.suppress(RuntimeError):  # the service has ended meanwhile
                loop.call_soon_threadsafe(found.put_nowait, one)

        def count() -> None:
            ends = time.monotonic() + MAX_COUNTING_S
            try:
                for folder in folders:
                    if unwanted.is_set() or time.monotonic() > ends:
                        return
                    tell((folder, self._count(folder, unwanted)))
            finally:
                tell(None)

        thread = threading.Thread(target=count, name="folders", daemon=True)
        self._threads.append(thread)
        thread.start()
        try:
            while (one := await found.get()) is not None:
                batch = dict([one])
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(GATHER_S):
                        while (one := await found.get()) is not None:
                            batch.update([one])
                yield batch
                if one is None:
                    return
        finally:
            unwanted.set()

    def _count(self, folder: str, unwanted: threading.Event) -> Count:
        ends = time.monotonic() + MAX_FOLDER_S
        has_stopped = False

        def is_enough() -> bool:
            nonlocal has_stopped
            has_stopped = unwanted.is_set() or time.monotonic() > ends
            return has_stopped

        sidecars = Sidecars()
        images = captioned = 0
        try:
            for key in self._find(folder, is_enough=is_enough):
                if images == MAX_IMAGES:
                    return Count(images, captioned, is_all=False)
                images += 1
                captioned += os.path.lexists(os.path.join(folder, sidecars.name(key, "")))
        except InvalidRequestError:  # it can't be read
            return Count(is_all=False)
        return Count(images, captioned, is_all=not has_stopped)
