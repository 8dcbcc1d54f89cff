"""Image files as items."""

import os
from functools import partial

from adapter.dataset.item import Fingerprint, Item
from adapter.images.sources import ImageFile


def file_item(root: str, key: str) -> Item:
    """Gives the item for the file `key` below `root`, or anywhere where `key` is absolute."""
    path = os.path.join(root, key)
    return Item(key, ImageFile(path), partial(file_fingerprint, path))


def key_below(root: str, path: str) -> str | None:
    """Gives the key of the file at the absolute `path` below `root`, None where it is elsewhere."""
    return os.path.relpath(path, root) if path.startswith(root.rstrip(os.sep) + os.sep) else None


def file_fingerprint(path: str) -> Fingerprint | None:
    """Gives the fingerprint of a file, None where it is gone."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Fingerprint(status.st_size, status.st_mtime_ns)
