"""All datasets that somebody looks at."""

import asyncio
import contextlib
import hashlib
import os
from collections import OrderedDict
from pathlib import Path

from adapter.dataset.review.desk import Desk
from adapter.dataset.review.index_file import remove
from adapter.errors import UnroutedRequestError
from adapter.settings import Settings
from adapter.web.pages.open_review import OpenReview
from adapter.web.pages.run_body import allowed_folder
from adapter.web.pages.workers import Workers

FOLDER = "indexes"
MAX_OPEN = 8
MAX_INDEXES = 50  # that are kept, also of datasets that nobody looks at any more


class Reviews:
    """Opens datasets, and keeps the index of each in a folder of `data_dir`. Must be closed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.data_dir / FOLDER
        self._open: OrderedDict[str, OpenReview] = OrderedDict()
        self._opening = asyncio.Lock()
        self.workers = Workers()

    async def open(self, folder: str, extension: str) -> OpenReview:
        """Opens a dataset, and begins to bring its index up to date.

        Raises WrongFieldError, FileNotAllowedError, and WriteError where there can be no index.
        """
        root = await asyncio.to_thread(allowed_folder, folder, self._settings)
        number = hashlib.sha256(os.fsencode(f"{root}\0{extension}")).hexdigest()[:16]
        async with self._opening:
            if number not in self._open:
                path = self._folder / f"{number}.sqlite"
                desk = await asyncio.to_thread(Desk, root, extension, path)
                self._open[number] = OpenReview(number, desk, self.workers)
                await asyncio.to_thread(_drop_oldest, self._folder, path)
            self._open.move_to_end(number)
            review = self._open[number]
            # A change goes on to its end, however many datasets are opened meanwhile.
            idle = [other for other, one in self._open.items() if other != number and not one.is_changing]
            for other in idle[: max(0, len(self._open) - MAX_OPEN)]:
                await self._open.pop(other).close()
        review.refresh()
        return review

    def find(self, number: str) -> OpenReview:
        """Gives the open dataset of that number. Raises UnroutedRequestError."""
        if number not in self._open:
            raise UnroutedRequestError("That dataset isn't open: open its folder first")
        return self._open[number]

    async def close(self) -> None:
        """Ends all that goes on."""
        self.workers.close()
        for review in self._open.values():
            await review.close()
        self._open.clear()


def _drop_oldest(folder: Path, own: Path) -> None:
    """Removes the indexes that nobody has opened for longest, so that there aren't ever more of them."""
    with contextlib.suppress(OSError):
        os.utime(own)
        known = sorted(folder.glob("*.sqlite"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in known[MAX_INDEXES:]:
            remove(path)
