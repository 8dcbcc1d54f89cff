"""Files that are named one by one: on a command line, or in a list."""

import os
from collections.abc import Iterable, Iterator

from adapter.dataset.inputs.image_file import FilesBelow, is_below, key_below
from adapter.dataset.item import Item
from adapter.errors import InvalidRequestError

STANDARD_INPUT = "-"
STANDARD_INPUT_DESCRIPTOR = 0


class NamedFiles(FilesBelow):
    """Absolute paths of files, with the folder that all are in as the root."""

    is_countable = True
    is_list = False

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = tuple(paths)
        self.root = os.path.commonpath([os.path.dirname(path) for path in self._paths])

    def items(self) -> Iterator[Item]:
        return (self.item(os.path.relpath(path, self.root)) for path in self._paths)

    def key(self, path: str) -> str | None:
        return key_below(self.root, path) if path in self._paths else None

    def holds(self, key: str) -> bool:
        return is_below(self.root, key, follow_links=True)  # the user has named each of the files


class FileList(FilesBelow):
    """A list with one path per line, relative to the working folder, which is the root.

    `-` reads the list from standard input. The key of a file that isn't below the root is its absolute path.
    """

    is_list = True

    def __init__(self, path: str) -> None:
        self._path = path
        self._elsewhere: set[str] = set()  # absolute paths that were listed
        self.root = os.getcwd()

    @property
    def is_countable(self) -> bool:
        return self._path != STANDARD_INPUT

    def items(self) -> Iterator[Item]:
        """Raises InvalidRequestError where the list can't be read."""
        opened = self._path if self.is_countable else STANDARD_INPUT_DESCRIPTOR
        try:
            # Not sys.stdin, which may refuse names that aren't UTF-8, and which a run that is interrupted
            # while it waits for a line couldn't leave behind.
            with open(opened, encoding="utf-8", errors="surrogateescape", closefd=self.is_countable) as file:
                yield from self.read(file)
        except OSError as error:
            raise InvalidRequestError(f"--from-file {self._path} can't be read: {error.strerror}") from error

    def key(self, path: str) -> str:
        return key_below(self.root, path) or path

    def holds(self, key: str) -> bool:
        """A file elsewhere counts where the list has named it."""
        return key in self._elsewhere or is_below(self.root, key, follow_links=True)

    def read(self, lines: Iterable[str]) -> Iterator[Item]:
        """Gives the items that the lines name; empty lines are left out. Raises InvalidRequestError."""
        for line in lines:
            if "\0" in line:
                raise InvalidRequestError(f"--from-file {self._path} holds a NUL: write one path per line")
            if line.strip():
                key = self.key(os.path.abspath(os.path.join(self.root, line.rstrip("\r\n"))))
                if os.path.isabs(key):
                    self._elsewhere.add(key)
                yield self.item(key)
