"""Folders that a dataset run can be started in, with how much is in them."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

from adapter.dataset.ledger_file import is_held, ledger_path
from adapter.dataset.nearby import covering_folder
from adapter.errors import FileNotAllowedError, InvalidRequestError
from adapter.settings import Settings
from adapter.web.pages.folder_counts import Count, FolderCounts
from adapter.web.pages.run_body import allowed_folder

MAX_FOLDERS = 1000


@dataclass
class FolderView:
    """A folder, with the names of those in it, and the counts of these, as far as they are known.

    `count` is of the folder itself, None while nobody knows. `is_in_use` tells whether a run works on the
    dataset in it.
    """

    path: str
    parent: str | None = None
    folders: list[str] = field(default_factory=list)
    count: Count | None = None
    counts: dict[str, Count] = field(default_factory=dict)
    is_in_use: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Gives it for programs. While nobody knows the number of images, that is null."""
        count = self.count
        return {
            "path": self.path,
            "parent": self.parent,
            "folders": self.folders,
            "images": None if count is None else count.images,
            "captioned": None if count is None else count.captioned,
            "is_all": count is not None and count.is_all,
            "counts": {name: vars(below) for name, below in self.counts.items()},
            "is_in_use": self.is_in_use,
        }


async def counted(view: FolderView, counts: FolderCounts) -> AsyncGenerator[FolderView]:
    """Yields the view as it is, and again whenever more is known of it, up to the end of counting."""
    yield view
    places = {os.path.join(view.path, name): name for name in view.folders}
    async with contextlib.aclosing(counts.of([view.path, *places])) as found:
        async for some in found:
            view.count = some.pop(view.path, view.count)
            view.counts |= {places[place]: count for place, count in some.items()}
            yield view


async def counted_within(view: FolderView, counts: FolderCounts, limit_s: float) -> FolderView:
    """Gives the view with what is known of it after `limit_s`, or earlier if that is all."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s), contextlib.aclosing(counted(view, counts)) as views:
            async for _ in views:
                pass
    return view


def view_of(path: str, settings: Settings) -> FolderView:
    """Gives what is in a folder, nothing counted; by default the first one that runs may work in, or the
    user's own.

    Raises InvalidRequestError where it can't be read, and FileNotAllowedError.
    """
    default = settings.roots[0] if settings.roots else os.path.expanduser("~")
    real = allowed_folder(path or default, settings)
    above: str | None = os.path.dirname(real)
    try:
        above = allowed_folder(above or "", settings) if above != real else None
    except FileNotAllowedError:
        above = None
    view = _look_into(real)
    view.parent = above
    return view


def _look_into(path: str) -> FolderView:
    view = FolderView(path)
    try:
        with os.scandir(path) as entries:
            names = [
                entry.name
                for entry in entries
                if not entry.name.startswith(".")
                and entry.name.isprintable()  # JSON has no other names
                and entry.is_dir(follow_symlinks=False)
            ]
    except OSError as error:
        raise InvalidRequestError(f"The folder can't be read: {error.strerror}", "path") from error
    view.folders = sorted(names, key=str.casefold)[:MAX_FOLDERS]
    view.is_in_use = is_held(ledger_path(covering_folder(path)))
    return view
