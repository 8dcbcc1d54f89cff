"""Looks at the files beside an image: which images a folder has, and which of them have a text.

Links are seen and not followed, and folders are entered by `roots` alone.
"""

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapter.errors import CaptionError
from adapter.images.image_name import has_image_extension, is_label
from adapter.images.roots import open_folder

MAX_ENTRIES = 100_000  # of a folder; listing and sorting more would hold up other requests for seconds
TEXT = ".txt"


@dataclass(frozen=True)
class Contents:
    """The names of a folder's images, as the file system lists them.

    `unsuited` are those with a text beside, hidden ones, masks, and all that aren't plain files.
    """

    images: tuple[str, ...] = ()
    unsuited: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Version:
    """What tells one version of a file from another. Times are in nanoseconds."""

    device: int
    inode: int
    bytes: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Version":
        """Gives the version that a status is of."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def text_name(image: str) -> str:
    """Gives the name of the text beside an image, as AI-Toolkit makes it: without the last extension."""
    stem, dot, _ = image.rpartition(".")
    return (stem if dot else image) + TEXT


def list_images(folder: str, roots: Sequence[str] | None) -> Contents:
    """Lists the images of the absolute `folder`; none where it is unreadable or has over MAX_ENTRIES."""
    images: dict[str, bool] = {}  # whether each is a plain file
    texts: set[str] = set()
    with _entered(folder, roots) as handle, contextlib.suppress(OSError):
        if handle is None:
            return Contents()
        with os.scandir(handle) as entries:
            for number, entry in enumerate(entries):
                if number == MAX_ENTRIES:
                    return Contents()
                name = entry.name
                if name.endswith(TEXT):
                    texts.add(name)
                elif has_image_extension(name):
                    images[name] = entry.is_file(follow_symlinks=False)
    unsuited = frozenset(
        name
        for name, is_plain in images.items()
        if not is_plain or name.startswith(".") or is_label(name) or text_name(name) in texts
    )
    return Contents(tuple(images), unsuited)


def version_of(folder: str, name: str, roots: Sequence[str] | None) -> Version | None:
    """Gives the version of the plain file `name` in the absolute `folder`, None where there is none."""
    with _entered(folder, roots) as handle:
        return None if handle is None else _version(handle, name)


def uncaptioned(folder: str, name: str, roots: Sequence[str] | None) -> Version | None:
    """Gives the version of an image that has no text beside it, not even an empty one; None for any other."""
    with _entered(folder, roots) as handle:
        if handle is None or _exists(handle, text_name(name)):
            return None
        return _version(handle, name)


@contextlib.contextmanager
def _entered(folder: str, roots: Sequence[str] | None) -> Iterator[int | None]:
    """Opens the folder while the context lasts: None where that can't be done, or it breaks off."""
    try:
        handle = open_folder(folder, roots)
    except (CaptionError, ValueError):  # a path with a NUL, or that no file system could have
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _exists(handle: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True  # to be left alone
    return True


def _version(handle: int, name: str) -> Version | None:
    try:
        status = os.stat(name, dir_fd=handle, follow_symlinks=False)
    except (OSError, ValueError):
        return None
    return Version.of(status) if stat.S_ISREG(status.st_mode) else None
