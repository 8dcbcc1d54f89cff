"""Writes small files of the service's own whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes, *, mode: int = 0o600, is_synced: bool = False) -> None:
    """Puts a file with this content and mode at `path`, replacing any file that is there.

    Makes its folder where there is none. With `is_synced` the content is safe on the disk before the file is
    in its place. Raises OSError, and then leaves nothing behind.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    try:
        with open(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(content)
            if is_synced:
                file.flush()
                os.fsync(descriptor)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):  # it has taken its place
            os.unlink(temporary)
