"""Makes new tars of shards, beside the run: each when its output is finished, unless it is there already."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

from adapter.dataset.events import Emit, Event, ShardDone, ShardLeft, TarWritten, TextFailed
from adapter.dataset.records import to_failure
from adapter.dataset.shards.captioned_tar import CaptionedTar, mark_at
from adapter.dataset.shards.captions_file import captions_at
from adapter.dataset.shards.examination import ShardOrder
from adapter.dataset.shards.same_place import is_same_place
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.store import Place
from adapter.errors import InvalidRequestError, StoreError

MAX_LOOKS = 8  # at outputs and tars that are there, at one time: all of it is waiting for a store


class NewTars:
    """The new tars of the order's shards, in the folder `tars`. Images over `max_bytes` have no caption."""

    def __init__(
        self,
        order: ShardOrder,
        tars: Place,
        max_bytes: int,
        *,
        emit: Emit,
        should_stop: Callable[[], bool],
    ) -> None:
        self._order = order
        self._folder = tars
        self._max_bytes = max_bytes
        self._emit = emit
        self._should_stop = should_stop
        # Events name shards, and outputs.
        self._shards = {shard.name: shard for shard in order.shards}
        self._shards |= {self._order.output_of(shard).shown: shard for shard in order.shards}
        self._waiting: asyncio.Queue[Shard | None] = asyncio.Queue()
        self._writing = asyncio.Lock()  # one at a time: the run needs the disk and the processor too
        # The run's own writing waits for none of these.
        self._threads = ThreadPoolExecutor(MAX_LOOKS, "tars")

    def take(self, event: Event) -> None:
        """Has the tar of a shard made whose output is finished."""
        match event:
            case ShardDone(name) | ShardLeft(name):
                self._waiting.put_nowait(self._shards[name])
            case _:
                pass

    @contextlib.asynccontextmanager
    async def being_made(self) -> AsyncIterator[None]:
        """Makes tars while the context lasts, and at its end those that are waiting, unless to be stopped."""
        makers = [asyncio.create_task(self._make_all()) for _ in range(MAX_LOOKS)]
        try:
            yield
        finally:
            for _ in makers:
                self._waiting.put_nowait(None)
            await asyncio.gather(*makers)
            self._threads.shutdown(wait=False)

    async def _make_all(self) -> None:
        while (shard := await self._waiting.get()) is not None:
            if self._should_stop():
                continue
            tar = self._folder.below(f"{shard.stem}.tar")
            try:
                await self._make(shard, tar)
            except StoreError as error:
                self._emit(TextFailed(to_failure(shard.name, tar.shown, error)))

    async def _make(self, shard: Shard, tar: Place) -> None:
        loop = asyncio.get_running_loop()
        new = await loop.run_in_executor(self._threads, self._wanted, shard, tar)
        if new is None:
            return
        async with self._writing:
            samples = await loop.run_in_executor(self._threads, new.write)
        if samples is not None:
            self._emit(TarWritten(tar.shown, samples, new.captions.rows - samples))

    def _wanted(self, shard: Shard, tar: Place) -> CaptionedTar | None:
        """Gives the tar to be made; None where there are no captions, or it is there. Raises StoreError."""
        captions = captions_at(self._order.output_of(shard))
        if captions is None:
            return None
        new = CaptionedTar(
            shard, captions, tar, self._order.columns, self._max_bytes, should_stop=self._should_stop
        )
        found = mark_at(tar)
        if found is None:
            return new
        # The shard may be a tar of ours itself, in a store that has another name here.
        is_shard = tar.fingerprint() == shard.place.fingerprint()
        if found.captions == captions.digest and not is_shard:
            return None
        if found.shard != new.mark.shard or is_shard:
            raise StoreError(f"{tar.shown} is there already, and was not made from this shard: move it away")
        return new


def check_apart(order: ShardOrder, folder: Place) -> None:
    """Raises InvalidRequestError where a new tar would lie where a shard lies, by whichever name."""
    folders: dict[str, bool] = {}
    for shard in order.shards:
        old, new = shard.place, folder.below(f"{shard.stem}.tar")
        above = old.folder
        if above.path not in folders:
            folders[above.path] = is_same_place(above, folder)
        if folders[above.path] or is_same_place(old, new):
            raise InvalidRequestError(
                f"--write-shards names the place of {shard.name}, which is never rewritten: take another one"
            )
