"""Image files as items."""

import os
from abc import ABC, abstractmethod
from functools import partial

from adapter.dataset.item import Fingerprint, Item
from adapter.images.sources import ImageFile


class FilesBelow(ABC):
    """What inputs of files in a folder have in common. Each says which keys it `holds`."""

    root: str  # absolute

    def item(self, key: str) -> Item:
        return file_item(self.root, key)

    @abstractmethod
    def holds(self, key: str) -> bool: ...

    def has(self, key: str) -> bool:
        return self.holds(key) and os.path.exists(os.path.join(self.root, key))


def file_item(root: str, key: str) -> Item:
    """Gives the item for the file `key` below `root`, or anywhere where `key` is absolute."""
    path = os.path.join(root, key)
    return Item(key, ImageFile(path), partial(file_fingerprint, path))


def key_below(root: str, path: str) -> str | None:
    """Gives the key of the file at the absolute `path` below `root`, None where it is elsewhere."""
    return os.path.relpath(path, root) if path.startswith(root.rstrip(os.sep) + os.sep) else None


def is_below(root: str, key: str, *, follow_links: bool = False) -> bool:
    """Tells whether a key from a ledger, which may be anybody's, names something below `root`.

    Unless `follow_links`, the folder that it is in must really be there: a link may lead out.
    """
    parts = key.split(os.sep)
    if os.path.isabs(key) or "\0" in key or ".." in parts or not key:
        return False
    if follow_links:
        return True
    folder = os.path.realpath(os.path.join(root, os.path.dirname(key)))
    real_root = os.path.realpath(root)
    return folder == real_root or folder.startswith(real_root.rstrip(os.sep) + os.sep)


def file_fingerprint(path: str) -> Fingerprint | None:
    """Gives the fingerprint of a file, None where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Fingerprint(status.st_size, status.st_mtime_ns)
