"""Leases on the engines of a service: whoever holds one keeps them awake.

A lease is a locked file in the folder in which engines are announced. The lock is gone with its process,
however that ends.
"""

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adapter.engine.private_folder import is_private

PREFIX, SUFFIX = "lease-", ".lock"
MAX_WHO = 200  # characters


@contextlib.contextmanager
def held(folder: Path, who: str) -> Iterator[None]:
    """Holds a lease while the context lasts. `who` says in a few words whose it is.

    Without a folder to put it into there is none: nobody's work should fail for that.
    """
    with contextlib.ExitStack() as stack:
        try:
            descriptor, path = tempfile.mkstemp(SUFFIX, PREFIX, folder)
        except OSError:
            pass
        else:
            stack.callback(os.close, descriptor)
            stack.callback(Path(path).unlink, missing_ok=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink == 0:  # taken for a dead one's before it was locked
                stack.enter_context(held(folder, who))
            os.write(descriptor, who[:MAX_WHO].encode("utf-8", "replace"))
        yield


def holders(folder: Path) -> dict[str, str]:
    """Gives who holds a lease, by the leases' names. Those whose holders are gone are removed.

    In a folder that somebody else could write to there are none.
    """
    found: dict[str, str] = {}
    if not is_private(folder):
        return found
    for path in sorted(folder.glob(f"{PREFIX}*{SUFFIX}")):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
                path.unlink()
            except BlockingIOError:
                found[path.name] = os.read(descriptor, MAX_WHO * 4).decode("utf-8", "replace")
                found[path.name] = "".join(filter(str.isprintable, found[path.name]))
            finally:
                os.close(descriptor)
    return found
