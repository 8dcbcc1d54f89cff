"""What every command needs of this machine: styles.json, and enough file descriptors."""

import resource
from pathlib import Path

from adapter.caption.prompts import PromptBook
from adapter.errors import SettingsError

MAX_DESCRIPTORS = 65_536  # plenty for thousands of requests in flight


def load_book(path: Path) -> PromptBook:
    """Reads styles.json. Raises SettingsError, naming the place of the first mistake."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    return PromptBook.parse(content, str(path))


def raise_descriptor_limit() -> None:
    """Raises the limit to what this process may have.

    A request takes up to four descriptors, and the usual 1024 are soon used up.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MAX_DESCRIPTORS), hard))
