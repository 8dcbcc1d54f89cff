"""What every command needs of this machine: styles.json, and enough file descriptors."""

import resource
from pathlib import Path

from adapter.caption.prompts import PromptBook
from adapter.config import own_styles_path
from adapter.errors import SettingsError
from adapter.own_styles_file import read_own_styles

MAX_DESCRIPTORS = 65_536  # plenty for thousands of requests in flight


def load_book(path: Path, own: Path | None = None) -> PromptBook:
    """Reads styles.json, and after it the user's `own`, by default where that is kept.

    Raises SettingsError, naming the place of the first mistake.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from error
    book = PromptBook.parse(content, str(path))
    own = own or own_styles_path()
    book.put_own(read_own_styles(own), str(own))
    return book


def raise_descriptor_limit() -> None:
    """Raises the limit to what this process may have.

    A request takes up to four descriptors, and the usual 1024 are soon used up.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MAX_DESCRIPTORS), hard))
