"""Text files on the disk: read, written whole or not at all, and made safe.

A dataset's folder may come from anywhere, so what stands in a text's place may be a link, a pipe or a device.
No link is followed here, unless the user says so, and only regular files up to MAX_BYTES are read.
"""

import contextlib
import errno
import hashlib
import os
import stat

from adapter.dataset.new_file import create_anew
from adapter.errors import WriteError
from adapter.stable_hash import stable_hash

SHORT_BYTES = 16  # a file up to this size may be nothing but blanks, and is worth a look
MAX_BYTES = 2**20  # a caption of 2048 tokens has some 10 kB


def content_hash(content: bytes) -> bytes:
    """Gives the hash by which the ledger knows a text again."""
    return hashlib.sha256(content).digest()[:16]


def read(path: str, *, follow_links: bool = False) -> bytes | None:
    """Gives what is in the file, None where there is no file or only blanks. Raises WriteError."""
    # Without O_NONBLOCK, opening a pipe would wait for whoever writes to it.
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
        with open(descriptor, "rb") as file:
            _check(os.fstat(descriptor))
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise _unreadable(error) from error
    if len(content) > MAX_BYTES:
        raise _too_large()
    return content if content.strip() else None


def has_text(path: str, *, follow_links: bool = False) -> bool:
    """Tells whether there is a file with a text in it, and reads no more of it than needed.

    A link to a file counts as a text that is there, whatever it says. Raises WriteError.
    """
    try:
        status = os.lstat(path)
        is_link = stat.S_ISLNK(status.st_mode)
        if is_link:
            status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise WriteError(f"There can be no text: {error.strerror}", error.errno or 0) from error
    if not stat.S_ISREG(status.st_mode):
        raise _irregular()
    if is_link and not follow_links:
        return status.st_size > 0
    return status.st_size > SHORT_BYTES or (
        status.st_size > 0 and read(path, follow_links=follow_links) is not None
    )


def write_temporary(path: str, content: bytes, marker: str = "") -> str:
    """Writes `content` to a file beside `path`, safe on the disk, and gives that file's path.

    Its name follows from that of the text and from the ledger's `marker`, so that what a killed run leaves
    behind is used up by the next one, and another ledger's run doesn't meet it. It has the mode of the text
    that is there. Raises WriteError.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".joycaption-{stable_hash(marker + name):016x}.tmp")
    try:
        with create_anew(temporary) as file:
            with contextlib.suppress(OSError):
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode):
                    os.fchmod(file.fileno(), stat.S_IMODE(status.st_mode))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        discard(temporary)
        raise WriteError(f"The text can't be written: {error.strerror}", error.errno or 0) from error
    return temporary


def put_in_place(temporary: str, path: str) -> None:
    """Makes the temporary file the text at `path`, in the place of a link where one is there.

    Raises WriteError.
    """
    try:
        os.replace(temporary, path)
    except OSError as error:
        discard(temporary)
        raise WriteError(f"The text can't be written: {error.strerror}", error.errno or 0) from error


def remove(path: str) -> None:
    """Removes the text at `path`. Raises WriteError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise WriteError(f"The text can't be removed: {error.strerror}", error.errno or 0) from error


def sync_folder(folder: str) -> None:
    """Makes new names in the folder safe on the disk, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def discard(temporary: str) -> None:
    """Removes a temporary file, where there is one."""
    with contextlib.suppress(OSError):
        os.unlink(temporary)


def _check(status: os.stat_result) -> None:
    """Raises WriteError where it isn't a regular file of a text's size."""
    if not stat.S_ISREG(status.st_mode):
        raise _irregular()
    if status.st_size > MAX_BYTES:
        raise _too_large()


def _irregular() -> WriteError:
    return WriteError(
        "The text can't be read: there is something else than a file in its place", errno.EINVAL
    )


def _too_large() -> WriteError:
    return WriteError(f"The text can't be read: it has more than {MAX_BYTES} bytes", errno.EFBIG)


def _unreadable(error: OSError) -> WriteError:
    if error.errno == errno.ELOOP:
        return WriteError(
            "The text can't be read: it is a link; --follow-links reads it all the same", errno.ELOOP
        )
    return WriteError(f"The text can't be read: {error.strerror}", error.errno or 0)
