"""Tells whether two places are one, whatever they are called."""

import os
import posixpath

from adapter.dataset.shards.store import Place


def is_same_place(one: Place, other: Place) -> bool:
    """Tells whether both are one file or folder, also through links, or a mount.

    In a store that is told by the path alone: one store may have many names.
    """
    if one.is_local != other.is_local:
        return False
    if not one.is_local:
        return posixpath.normpath(one.path) == posixpath.normpath(other.path)
    try:
        return os.path.samefile(one.path, other.path)
    except OSError:  # one of them isn't there
        return os.path.realpath(one.path) == os.path.realpath(other.path)
