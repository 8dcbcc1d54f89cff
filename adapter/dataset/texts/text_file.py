"""Text files on the disk: read, written whole or not at all, and made safe."""

import contextlib
import hashlib
import os

from adapter.dataset.stable_hash import stable_hash
from adapter.errors import WriteError

SHORT_BYTES = 16  # a file up to this size may be nothing but blanks, and is worth a look


def content_hash(content: bytes) -> bytes:
    """Gives the hash by which the ledger knows a text again."""
    return hashlib.sha256(content).digest()[:16]


def read(path: str) -> bytes | None:
    """Gives what is in the file, None where there is no file or only blanks. Raises WriteError."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise WriteError(f"The text can't be read: {error.strerror}", error.errno or 0) from error
    return content if content.strip() else None


def has_text(path: str) -> bool:
    """Tells whether there is a file with a text in it, and reads no more of it than needed.

    Raises WriteError.
    """
    try:
        size = os.stat(path).st_size
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise WriteError(f"There can be no text: {error.strerror}", error.errno or 0) from error
    return size > SHORT_BYTES or (size > 0 and read(path) is not None)


def write_temporary(path: str, content: bytes) -> str:
    """Writes `content` to a file beside `path`, safe on the disk, and gives that file's path. Raises
    WriteError.

    Its name follows from that of the text, so that what a killed run leaves behind is used up by the next
    one.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".joycaption-{stable_hash(name):016x}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        discard(temporary)
        raise WriteError(f"The text can't be written: {error.strerror}", error.errno or 0) from error
    return temporary


def put_in_place(temporary: str, path: str) -> None:
    """Makes the temporary file the text at `path`. Raises WriteError."""
    try:
        os.replace(temporary, path)
    except OSError as error:
        discard(temporary)
        raise WriteError(f"The text can't be written: {error.strerror}", error.errno or 0) from error


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
