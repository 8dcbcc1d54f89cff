"""Opens files that clients name: only regular files inside the allowed folders, wherever links lead.

A path is walked folder by folder, each opened within the one before, so that what was checked is what is read
even if somebody renames things meanwhile. What lies outside is never touched, so no answer tells whether it
exists.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence

from adapter.errors import (
    FileMissingError,
    FileNotAllowedError,
    NotAnImageError,
    OutOfResourcesError,
)
from adapter.policy import is_shortage

# A handle that allows neither reading nor writing, so that nothing is set off by it: no device, no FIFO.
HANDLE = os.O_PATH | os.O_CLOEXEC
READING = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
MAX_LINKS = 40  # what Linux itself follows


def open_file(path: str, roots: Sequence[str] | None) -> int:
    """Gives a descriptor for reading the regular file at the absolute `path`; the caller closes it.

    `roots` are absolute folders; None allows every path. Raises FileNotAllowedError, FileMissingError,
    OutOfResourcesError, and NotAnImageError where there is something other than a regular file.
    """
    with _as_ours(path):
        handle = _handle(path, roots)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise NotAnImageError("Not a regular file")
            return os.open(f"/proc/self/fd/{handle}", READING)
        finally:
            os.close(handle)


def open_folder(path: str, roots: Sequence[str] | None) -> int:
    """Gives a descriptor for listing the folder at the absolute `path`, within `roots` as `open_file` does.

    The caller closes it. Raises FileNotAllowedError, FileMissingError and OutOfResourcesError.
    """
    with _as_ours(path):
        handle = _handle(path, roots)
        try:
            return os.open(f"/proc/self/fd/{handle}", READING | os.O_DIRECTORY)
        finally:
            os.close(handle)


def _handle(path: str, roots: Sequence[str] | None) -> int:
    return os.open(path, HANDLE) if roots is None else _Walk(path, roots).handle()


@contextlib.contextmanager
def _as_ours(path: str) -> Iterator[None]:
    """Maps the system's errors to ours."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileMissingError(f"Image not found: {path}") from error
    except OSError as error:
        if is_shortage(error):
            raise OutOfResourcesError.from_os(error) from error
        raise FileNotAllowedError(f"Image can't be read: {path}") from error


class _Walk:
    """One path on its way through the roots."""

    def __init__(self, path: str, roots: Sequence[str]) -> None:
        self._path = path
        self._roots = roots
        self._handles: list[int] = []  # the root's and those of the folders below it, down to where we are
        self._links = 0

    def handle(self) -> int:
        """Gives a handle of what the path leads to, inside the roots. Raises FileNotAllowedError, OSError."""
        try:
            left = self._enter_root(self._path)
            while left:
                self._step(left)
            return os.dup(self._handles[-1])
        finally:
            self._leave()

    def _enter_root(self, path: str) -> list[str]:
        """Enters the root that `path` begins with, and gives the names that are left, the next one last."""
        names = _names(path)
        for root in self._roots:
            above = _names(root)
            if names[: len(above)] == above:
                self._leave()
                self._handles.append(os.open(root, HANDLE | os.O_DIRECTORY))
                return names[len(above) :][::-1]
        raise self._outside()

    def _step(self, left: list[str]) -> None:
        name = left.pop()
        if name == "..":
            if len(self._handles) == 1:
                raise self._outside()
            os.close(self._handles.pop())
            return
        handle = os.open(name, HANDLE | os.O_NOFOLLOW, dir_fd=self._handles[-1])
        if not stat.S_ISLNK(os.fstat(handle).st_mode):
            self._handles.append(handle)
            return
        try:
            target = os.readlink("", dir_fd=handle)
        finally:
            os.close(handle)
        self._links += 1
        if self._links > MAX_LINKS:
            raise self._outside()
        if target.startswith("/"):
            left[:] = left + self._enter_root(target)
        else:
            left += _names(target)[::-1]

    def _leave(self) -> None:
        while self._handles:
            os.close(self._handles.pop())

    def _outside(self) -> FileNotAllowedError:
        return FileNotAllowedError(f"Outside of the folders that may be read: {self._path}")


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name not in ("", ".")]
