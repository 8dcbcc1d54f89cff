"""Folders that a dataset run can be started in, with how much is in them."""

import os
from dataclasses import dataclass, field

from adapter.dataset.inputs.folder import find_images
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import FileNotAllowedError, InvalidRequestError
from adapter.settings import Settings
from adapter.web.pages.run_body import allowed_folder

MAX_FOLDERS = 1000
MAX_COUNTED = 20_000  # files; beyond that the page says "more than"


@dataclass
class FolderView:
    """A folder: those in it, and how many images there are below it, `captioned` of them with a text.

    `is_all` tells whether all were counted.
    """

    path: str
    parent: str | None = None
    folders: list[str] = field(default_factory=list)
    images: int = 0
    captioned: int = 0
    is_all: bool = True


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
    sidecars = Sidecars()
    for key in find_images(path):
        if view.images == MAX_COUNTED:
            view.is_all = False
            break
        view.images += 1
        view.captioned += os.path.lexists(os.path.join(path, sidecars.name(key, "")))
    return view
