"""Creates files that weren't there: whatever lies in a file's place is removed, and no link is followed."""

import os
import stat
from typing import IO

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create_anew(path: str) -> IO[bytes]:
    """Opens a new file at `path` for writing, in the place of a file or link that a killed run may have left.

    Raises OSError, also where there is a folder.
    """
    try:
        descriptor = os.open(path, NEW, 0o666)
    except FileExistsError:
        os.unlink(path)
        descriptor = os.open(path, NEW, 0o666)
    return open(descriptor, "wb")


def open_unlinked(path: str) -> int:
    """Opens the regular file at `path` for reading and writing, made where it isn't there; gives a
    descriptor.

    Nothing in it is touched. Raises OSError, also for a link.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(None, "not a regular file")
    return descriptor
