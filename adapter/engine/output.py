"""Keeps the engine's output in a rotating file, and its last lines at hand for when the engine fails."""

import contextlib
import fcntl
import logging
import logging.handlers
import os
from collections import deque
from pathlib import Path

FILE_BYTES = 5 * 2**20
OLD_FILES = 2
LAST_LINES = 30
MAX_FILES = 100  # services of one user at one time
LINE_FORMAT = logging.Formatter("%(asctime)s %(message)s")

log = logging.getLogger("adapter.engine")


class Output:
    """The output of one engine, in a file of its own in `folder`: `engine.log`, or `engine-2.log` beside it.

    `last` holds the last lines. `path` is None where no file can be written, for which no engine should fail.
    Must be closed.
    """

    def __init__(self, folder: Path) -> None:
        self.last: deque[str] = deque(maxlen=LAST_LINES)
        self.path: Path | None = None
        self._lock: int | None = None
        self._handler: _File | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(1, MAX_FILES):
                path = folder / f"engine{'' if number == 1 else f'-{number}'}.log"
                if self._is_ours(path):
                    self.path = path
                    self._handler = _File(path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, encoding="utf-8")
                    self._handler.setFormatter(LINE_FORMAT)
                    break
        except OSError as error:
            log.warning("engine: its output can't be kept in %s: %s", folder, error.strerror)
            self.path = None

    def add(self, line: str) -> None:
        """Keeps one line, without its line end."""
        self.last.append(line)
        if self._handler is not None:
            self._handler.emit(logging.makeLogRecord({"msg": "%s", "args": (line,)}))

    def close(self) -> None:
        """Closes the file, which another service may take then."""
        if self._handler is not None:
            with contextlib.suppress(OSError):  # what a full disk kept back
                self._handler.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _is_ours(self, path: Path) -> bool:
        """Takes the file's lock and tells whether that worked, for another service may hold it."""
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            return False
        self._lock = lock
        return True


class _File(logging.handlers.RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lets a full disk cost lines, and nothing else."""
