"""The file of a user's own styles."""

import stat
from pathlib import Path

from adapter.errors import SettingsError

MAX_BYTES = 2**22
NONE = b'{"styles": {}}'


def read_own_styles(path: Path) -> bytes:
    """Gives what is in the file at `path`, or what stands for no styles where it isn't there.

    Raises SettingsError.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(f"{path} is no regular file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return NONE
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise SettingsError(f"{path} is larger than {MAX_BYTES} bytes")
    return content
