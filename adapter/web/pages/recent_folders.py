"""The folders that somebody has worked in last, kept for the next time."""

import json
import logging
import os
from pathlib import Path

from adapter.web.pages.run_body import is_below_roots
from adapter.web.pages.whole_file import replace_file

FILE_NAME = "recent-folders.json"
MAX_FOLDERS = 12
MAX_FILE_BYTES = 2**16

log = logging.getLogger("adapter.web")


class RecentFolders:
    """Keeps up to MAX_FOLDERS absolute paths in a file in `folder`. Names that aren't text are left out."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def add(self, path: str) -> None:
        """Puts a folder first. Where that can't be kept, it is forgotten."""
        if not path.isprintable():
            return
        known = [path, *(one for one in self._read() if one != path)][:MAX_FOLDERS]
        try:
            replace_file(self._path, json.dumps(known).encode())
        except OSError as error:
            log.warning("the recent folders can't be kept: %s", error.strerror)

    def there(self, roots: tuple[str, ...] | None = None) -> list[str]:
        """Gives those that are there and lie below the `roots`, None for any; the last one first."""
        return [path for path in self._read() if is_below_roots(path, roots) and os.path.isdir(path)]

    def _read(self) -> list[str]:
        try:
            with self._path.open("rb") as file:
                found = json.loads(file.read(MAX_FILE_BYTES))
        except (OSError, ValueError, RecursionError):
            return []
        if not isinstance(found, list):
            return []
        return [path for path in found if isinstance(path, str) and os.path.isabs(path) and "\0" not in path][
            :MAX_FOLDERS
        ]
