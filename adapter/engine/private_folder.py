"""Folders that only this user can put something into."""

import os
import stat
from pathlib import Path


def is_private(folder: Path) -> bool:
    """Tells whether nobody else could have put something there: it is this user's, with mode 0700."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    ours = status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) == 0o700
    return stat.S_ISDIR(status.st_mode) and ours
