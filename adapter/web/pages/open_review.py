"""A dataset that somebody looks at: views of it, and what goes on in it, for whoever watches."""

import asyncio
import secrets
from array import array
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from adapter.dataset.review.bulk import Changed, change_texts, undo_change
from adapter.dataset.review.changes import Change
from adapter.dataset.review.desk import Desk
from adapter.dataset.review.item_filter import ItemFilter
from adapter.dataset.review.lookup import ReviewedItem
from adapter.dataset.review.refresh import refresh
from adapter.dataset.undo import Undone
from adapter.errors import CaptionError, InvalidRequestError, StoppingError, UnroutedRequestError
from adapter.web.pages.item_view import summary_view
from adapter.web.pages.workers import Workers

MAX_VIEWS = 32
MAX_VIEWED = 1_000_000  # items in all views together, each of which takes 8 bytes; the newest view is kept
CHANGE_CHUNK = 200  # items whose texts are changed together
SHOWN_CHUNK = 20  # items that are looked up together
MAX_SHOWN = 4_000_000  # characters of texts in one answer
LOOK_S = 0.3

P = ParamSpec("P")
T = TypeVar("T")


class OpenReview:
    """One dataset under review. `number` names it. Must be closed."""

    def __init__(self, number: str, desk: Desk, workers: Workers) -> None:
        self.number = number
        self.desk = desk
        self.workers = workers
        self._views: OrderedDict[str, array[int]] = OrderedDict()
        self._refreshing: asyncio.Task[None] | None = None
        self._changing: asyncio.Task[None] | None = None
        self._wants_refresh = False
        self._own_changes = 0
        self._problem = ""
        self._is_closed = False

    async def close(self) -> None:
        """Ends what goes on. A change ends between two texts, and can be undone."""
        self._is_closed = True
        tasks = [task for task in (self._refreshing, self._changing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self.desk.close)

    def refresh(self) -> None:
        """Brings the index up to date in the background."""
        self.desk.is_empty = False
        self._wants_refresh = True
        if not self.is_refreshing:
            self._refreshing = asyncio.create_task(self._refresh())

    async def _refresh(self) -> None:
        while self._wants_refresh:
            self._wants_refresh = False
            desk = self.desk
            try:
                self._problem = await self.workers.run(refresh, desk.path, desk.root, desk.extension)
            except CaptionError as error:
                self._problem = error.message

    @property
    def is_refreshing(self) -> bool:
        """Whether the index is being brought up to date."""
        return self._refreshing is not None and not self._refreshing.done()

    @property
    def is_changing(self) -> bool:
        """Whether many texts are being changed."""
        return self._changing is not None and not self._changing.done()

    async def state(self) -> dict[str, Any]:
        """Gives what there is, and what goes on."""
        # Before it is counted: who sees that all is done sees all of it.
        going_on = {
            "is_refreshing": self.is_refreshing,
            "is_changing": self.is_changing,
            "problem": self._problem,
        }
        summary = await asyncio.to_thread(self.desk.summary)
        if self.desk.is_empty:  # somebody has removed the index
            self.refresh()
        return {
            "id": self.number,
            "folder": self.desk.root,
            "extension": self.desk.extension,
            **going_on,
            **summary_view(summary),
        }

    async def watch(self) -> AsyncGenerator[dict[str, Any]]:
        """Yields what `state` gives, now and whenever that has changed, until `close`."""
        shown: dict[str, Any] | None = None
        seen: object = None
        while not self._is_closed:
            is_busy = self.is_refreshing or self.is_changing
            now = (await asyncio.to_thread(self.desk.version), self._own_changes, is_busy)
            if now != seen:
                seen = now
                state = await self.state()
                if state != shown:
                    shown = state
                    yield state
            await asyncio.sleep(LOOK_S)

    async def open_view(self, meant: ItemFilter) -> tuple[str, int]:
        """Gives the number of a new view, which holds the items that are meant now, and how many those are.

        Raises WrongFieldError.
        """
        numbers = await asyncio.to_thread(self.desk.find, meant)
        view = secrets.token_hex(8)
        self._views[view] = numbers
        viewed = sum(map(len, self._views.values()))
        while len(self._views) > 1 and (len(self._views) > MAX_VIEWS or viewed > MAX_VIEWED):
            viewed -= len(self._views.popitem(last=False)[1])
        return view, len(numbers)

    def view(self, view: str) -> "array[int]":
        """Gives the numbers of a view's items. Raises UnroutedRequestError where it is gone."""
        if view not in self._views:
            raise UnroutedRequestError("There is no such view any more: ask for a new one")
        self._views.move_to_end(view)
        return self._views[view]

    async def items(self, numbers: Sequence[int]) -> tuple[list[ReviewedItem], int]:
        """Gives items with their texts as they are now, and for how many of the numbers.

        Those may be fewer where texts are long, and the items yet fewer where some are gone.
        """
        shown: list[ReviewedItem] = []
        characters, count = 0, 0
        while count < len(numbers) and characters < MAX_SHOWN:
            some = await asyncio.to_thread(self.desk.items, numbers[count : count + SHOWN_CHUNK])
            characters += sum(len(text.text) for item in some for text in item.texts)
            shown += some
            count = min(len(numbers), count + SHOWN_CHUNK)
        return shown, count

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Does something to the dataset in a thread, and lets watchers know."""
        try:
            return await asyncio.to_thread(work, *args, **kwargs)
        finally:
            self._own_changes += 1

    async def change(
        self, numbers: "array[int]", change: Change, style: str | None
    ) -> AsyncGenerator[dict[str, Any]]:
        """Changes the texts of items, and yields how far it is. It goes on when nobody takes what is yielded.

        Raises InvalidRequestError where another change is under way, or the change is none.
        """
        self._check_that_nothing_changes()
        change.compiled()
        whole = Changed()
        progress = {"done": 0, "of": len(numbers)}
        changing = self._changing = asyncio.create_task(self._change(numbers, change, style, whole, progress))
        changing.add_done_callback(self._end_change)
        while not changing.done():
            yield dict(progress)
            await asyncio.wait([changing], timeout=LOOK_S)
        if changing.cancelled():
            raise StoppingError
        changing.result()
        yield progress | {"changed": vars(whole)}

    async def _change(
        self,
        numbers: "array[int]",
        change: Change,
        style: str | None,
        whole: Changed,
        progress: dict[str, int],
    ) -> None:
        desk = self.desk
        for start in range(0, len(numbers), CHANGE_CHUNK):
            some = numbers[start : start + CHANGE_CHUNK]
            part = await self.workers.run(
                change_texts,
                desk.path,
                desk.root,
                desk.extension,
                some,
                change,
                style=style,
                number=whole.change,
            )
            whole.add(part)
            progress["done"] = start + len(some)

    def _end_change(self, changing: "asyncio.Task[None]") -> None:
        """Says what went wrong, also where nobody listens any more."""
        if not changing.cancelled() and isinstance(error := changing.exception(), CaptionError):
            self._problem = error.message

    def _check_that_nothing_changes(self) -> None:
        if self.is_changing:
            raise InvalidRequestError("Another change of this dataset is under way")

    async def undo(self, number: int, *, force: bool) -> Undone:
        """Puts back what a change replaced. Raises InvalidRequestError, LedgerError."""
        self._check_that_nothing_changes()
        undone = await self.workers.run(undo_change, self.desk.root, number, force=force)
        self.refresh()
        return undone
