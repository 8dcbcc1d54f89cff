"""The texts of a job that sends its images away: written whole or not at all, and told from edited ones.

A file in the dataset's folder `.joycaption` holds a line for each text that was written: its path below the
folder and its hash. A text that is none of those was edited since.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile

from .images import read_text

FOLDER = ".joycaption"
NAME = "ai-toolkit-texts.jsonl"
MAX_LINE_BYTES = 2**16


class TextChangedError(Exception):
    """A text came, or changed, while its image was captioned."""


class WrittenTexts:
    """The record of the dataset in `folder`. For one thread at a time."""

    def __init__(self, folder: str) -> None:
        self._folder = os.path.abspath(folder)
        self._path = os.path.join(self._folder, FOLDER, NAME)
        self._hashes: dict[str, set[str]] = {}
        self._load()

    def is_edited(self, path: str, content: bytes) -> bool:
        """Tells whether somebody has changed the text at `path` since a job wrote it."""
        known = self._hashes.get(self._name(path))
        return bool(content) and known is not None and _hash(content) not in known

    def write(self, path: str, text: str, seen: bytes) -> None:
        """Puts the text into its place, where nothing but `seen` may be, empty for nothing or blanks.

        Raises TextChangedError, and OSError.
        """
        if os.path.islink(path):
            raise TextChangedError("the text is a link, which is left alone")
        content = text.encode("utf-8", "replace")
        mode = _mode(path)
        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".", suffix=".part")
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
            os.chmod(temporary, mode)
            self._record(path, content)  # first: after a kill in between nobody's edits are taken for ours
            if read_text(path) != seen:
                raise TextChangedError("somebody wrote a text meanwhile, which stays")
            if seen or os.path.exists(path) or not _linked(temporary, path):
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(OSError):  # it has taken its place
                os.unlink(temporary)

    def _record(self, path: str, content: bytes) -> None:
        name, digest = self._name(path), _hash(content)
        if digest in self._hashes.get(name, ()):
            return
        folder = os.path.dirname(self._path)
        os.makedirs(folder, exist_ok=True)
        if os.path.islink(folder):  # which came with the dataset, and may lead anywhere
            raise OSError(None, f"{folder} is a link")
        with open(self._path, "a", encoding="ascii", opener=_open_no_link) as file:
            file.write(json.dumps([name, digest]) + "\n")
        self._hashes.setdefault(name, set()).add(digest)

    def _load(self) -> None:
        """Reads what is recorded. A line that a killed job left unfinished is left out."""
        with contextlib.suppress(FileNotFoundError), open(self._path, "rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                with contextlib.suppress(ValueError):
                    match json.loads(line):
                        case [str(name), str(digest)]:
                            self._hashes.setdefault(name, set()).add(digest)

    def _name(self, path: str) -> str:
        return os.path.relpath(path, self._folder)


def _open_no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _mode(path: str) -> int:
    """Gives the mode of the file in the text's place, or that which a new one would have."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _linked(temporary: str, path: str) -> bool:
    """Puts the file at a path where none is. Tells whether the file system can do that.

    Raises TextChangedError where there is one by now.
    """
    try:
        os.link(temporary, path)
    except FileExistsError as error:
        raise TextChangedError("somebody wrote a text meanwhile, which stays") from error
    except OSError:
        return False
    return True
