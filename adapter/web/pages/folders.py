"""Folders that a dataset run can be started in, with how much is in them."""

import os
import time
from dataclasses import dataclass, field

from adapter.dataset.inputs.folder import find_images
from adapter.dataset.ledger_file import is_held, ledger_path
from adapter.dataset.nearby import covering_folder
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import FileNotAllowedError, InvalidRequestError
from adapter.settings import Settings
from adapter.web.pages.run_body import allowed_folder

MAX_FOLDERS = 1000
MAX_COUNTED = 20_000  # files; beyond that the page says "more than"
MAX_COUNTED_BELOW = 5000  # in each of the folders in it
MAX_COUNT_S = 0.7  # for all of these: somebody waits


@dataclass
class Count:
    """How many images there are below a folder, `captioned` of them with a text; `is_all` if all were
    counted.
    """

    images: int = 0
    captioned: int = 0
    is_all: bool = True


@dataclass
class FolderView(Count):
    """A folder, with the names of those in it, and the counts of these, as far as there was time for them.

    `is_in_use` tells whether a run works on the dataset in it.
    """

    path: str = ""
    parent: str | None = None
    folders: list[str] = field(default_factory=list)
    counts: dict[str, Count] = field(default_factory=dict)
    is_in_use: bool = False


def view_of(path: str, settings: Settings) -> FolderView:
    """Gives what is in a folder, by default the first one that runs may work in, or the user's own.

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
    view = FolderView(path=path)
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
    _count(path, view, MAX_COUNTED)
    view.is_in_use = is_held(ledger_path(covering_folder(path)))
    ends = time.monotonic() + MAX_COUNT_S
    for name in view.folders:
        if time.monotonic() > ends:
            break
        below = Count()
        _count(os.path.join(path, name), below, MAX_COUNTED_BELOW, ends)
        view.counts[name] = below
    return view


def _count(path: str, count: Count, most: int, ends: float | None = None) -> None:
    """Counts up to `most` images, and no longer than until `ends` on the monotonic clock."""
    sidecars = Sidecars()
    try:
        for key in find_images(path):
            if count.images == most or (ends is not None and time.monotonic() > ends):
                count.is_all = False
                return
            count.images += 1
            count.captioned += os.path.lexists(os.path.join(path, sidecars.name(key, "")))
    except InvalidRequestError:
        count.is_all = False  # it can't be read
