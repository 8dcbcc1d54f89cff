"""From folders and lists to images, lazily: what was found is handed on before the rest is looked for."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from adapter.errors import InvalidRequestError
from adapter.images import EXTENSIONS


@dataclass(frozen=True)
class FoundImage:
    """An image file: `root` is absolute, `relative` the path below it (an absolute one if it isn't below)."""

    root: str
    relative: str

    @property
    def path(self) -> str:
        return os.path.join(self.root, self.relative)


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` shares, from 1."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`2/8`. Raises InvalidRequestError."""
        index, slash, count = text.partition("/")
        if slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
            return cls(int(index), int(count))
        raise InvalidRequestError(f"{text!r} is no share: write 1/4 to 4/4 for four of them", "shard")

    def has(self, relative: str) -> bool:
        """Whether the image is in this share. Images that differ only by extension are in the same one."""
        return stable_hash(os.path.splitext(relative)[0]) % self.count == self.index - 1


def stable_hash(text: str) -> int:
    """64 bits that depend on the text alone, on every machine and in every version."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def read_list(lines: Iterable[str]) -> Iterator[FoundImage]:
    """The images of a list, a path a line, relative to the working directory."""
    root = os.getcwd()
    for line in lines:
        path = os.path.abspath(line.rstrip("\r\n"))
        if line.strip():
            yield FoundImage(root, os.path.relpath(path, root) if path.startswith(root + os.sep) else path)


def find_images(root: str, *, recursive: bool = True) -> Iterator[FoundImage]:
    """The images below the folder `root`, by extension, hidden ones left out.

    Depth first, in the file system's order, with one open folder a level and nothing else in memory.

    Links to folders are followed but into a folder that they stand in. Raises InvalidRequestError when the
    folder itself can't be read.
    """
    prefix_length = len(root) if root.endswith(os.sep) else len(root) + 1
    try:
        levels = [(os.scandir(root), _identity(root))]
    except OSError as error:
        raise InvalidRequestError(f"The folder {root} can't be read: {error.strerror}") from error
    while levels:
        folder, _ = levels[-1]
        try:
            entry = next(folder, None)
        except OSError:  # the folder was taken away meanwhile
            entry = None
        if entry is None:
            folder.close()
            levels.pop()
            continue
        if entry.name.startswith("."):
            continue
        if os.path.splitext(entry.name)[1].lower() in EXTENSIONS and _is_file(entry):
            yield FoundImage(root, entry.path[prefix_length:])
        elif recursive and _is_folder(entry):
            try:
                below = _open_folder(entry.path, {identity for _, identity in levels})
            except FileNotFoundError:
                continue  # taken away meanwhile
            except OSError:
                # Nobody knows what is in it. As an image that fails it is told of, and counted.
                yield FoundImage(root, entry.path[prefix_length:])
                continue
            if below is not None:
                levels.append(below)


def _open_folder(
    path: str, above: set[tuple[int, int]]
) -> tuple["os._ScandirIterator[str]", tuple[int, int]] | None:
    identity = _identity(path)
    return None if identity in above else (os.scandir(path), identity)


def _identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file or a link to one. A link to nothing counts, so that people are told of it."""
    try:
        return entry.is_file() or (entry.is_symlink() and not entry.is_dir())
    except OSError:  # a link that leads back to itself
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
