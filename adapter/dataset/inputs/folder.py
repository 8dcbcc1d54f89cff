"""The image files of a folder, found lazily: what was found is handed on before the rest is looked for."""

import os
from collections.abc import Callable, Generator, Iterator

from adapter.dataset.inputs.image_file import FilesBelow, is_below, key_below
from adapter.dataset.item import Item
from adapter.errors import InvalidRequestError
from adapter.images.image_name import is_image_name, is_set_aside, may_hold_images

Identity = tuple[int, int]  # a folder's device and inode
Level = tuple["os._ScandirIterator[str]", Identity]


class Folder(FilesBelow):
    """The images in the absolute folder `root`, and in those below it where `recursive`.

    Links to folders lead out of the dataset, and are followed only where the user says so.
    """

    is_countable = True
    is_list = False

    def __init__(self, root: str, *, recursive: bool = True, follow_links: bool = False) -> None:
        self.root = root
        self._recursive = recursive
        self._follow_links = follow_links

    def items(self) -> Iterator[Item]:
        """Raises InvalidRequestError where the folder can't be read."""
        found = find_images(self.root, recursive=self._recursive, follow_links=self._follow_links)
        return (self.item(key) for key in found)

    def key(self, path: str) -> str | None:
        return key_below(self.root, path)

    def holds(self, key: str) -> bool:
        return is_below(self.root, key, follow_links=self._follow_links) and not is_set_aside(key)


def find_images(
    root: str,
    *,
    recursive: bool = True,
    follow_links: bool = False,
    is_enough: Callable[[], bool] | None = None,
) -> Generator[str]:
    """Gives the paths, below the folder `root`, of files with an image's extension.

    Hidden ones are left out, and so are masks and control images, see `image_name`.

    The walk goes depth first, in the file system's order, with one open folder per level and nothing else in
    memory. With `follow_links` links to folders are followed, except into a folder that they stand in. It
    ends early once `is_enough()`, which is asked at each file and folder. Raises InvalidRequestError where
    `root` itself can't be read.
    """
    prefix_length = len(root) if root.endswith(os.sep) else len(root) + 1
    try:
        levels = [(os.scandir(root), _identity(root))]
    except OSError as error:
        raise InvalidRequestError(f"The folder {root} can't be read: {error.strerror}") from error
    try:
        yield from _walk(
            levels, prefix_length, recursive=recursive, follow_links=follow_links, is_enough=is_enough
        )
    finally:
        for folder, _ in levels:  # where nobody wants the rest
            folder.close()


def _walk(
    levels: list[Level],
    prefix_length: int,
    *,
    recursive: bool,
    follow_links: bool,
    is_enough: Callable[[], bool] | None,
) -> Iterator[str]:
    """Goes on where the innermost of the open folders is, and gives paths without their first characters."""
    while levels:
        if is_enough is not None and is_enough():
            return
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
        if is_image_name(entry.name) and _is_file(entry):
            yield entry.path[prefix_length:]
        elif recursive and may_hold_images(entry.name) and _is_folder(entry, follow_links=follow_links):
            try:
                below = _open_folder(entry.path, {identity for _, identity in levels})
            except FileNotFoundError:
                continue  # taken away meanwhile
            except OSError:
                # Nobody knows what is in it. As an image that fails, it is reported and counted.
                yield entry.path[prefix_length:]
                continue
            if below is not None:
                levels.append(below)


def _open_folder(path: str, above: set[Identity]) -> Level | None:
    identity = _identity(path)
    return None if identity in above else (os.scandir(path), identity)


def _identity(path: str) -> Identity:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tells whether it is a file or a link to one. A link to nothing counts, so that it is reported."""
    try:
        return entry.is_file() or (entry.is_symlink() and not entry.is_dir())
    except OSError:  # a link that leads back to itself
        return True


def _is_folder(entry: os.DirEntry[str], *, follow_links: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow_links)
    except OSError:
        return False
