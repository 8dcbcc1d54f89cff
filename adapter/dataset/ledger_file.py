"""The files of ledgers: where they are, how they are opened, and who may write to them.

A ledger may have come with its dataset, and so may the files that SQLite looks for beside it. SQLite obeys
them: a journal can name files to be deleted, a link leads its writing elsewhere, a trigger runs at each
change. So all of them are looked at before SQLite opens any.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from adapter.dataset.new_file import open_unlinked
from adapter.errors import LedgerUnavailableError

FOLDER = ".joycaption"
VERSION = 1
# SQLite's own, and what Python makes of those whose text isn't UTF-8, because the ledger isn't.
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)
SCHEMA = """
CREATE TABLE IF NOT EXISTS settings (id INTEGER PRIMARY KEY, details TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS captions (
  output PRIMARY KEY,  -- the sidecar's path, or what it would be
  image NOT NULL,
  style TEXT NOT NULL,
  state TEXT NOT NULL,  -- 'written' by us, or 'found' there
  size INTEGER, mtime_ns INTEGER,  -- of the image's file
  settings INTEGER REFERENCES settings (id),
  hash BLOB,  -- of the sidecar as we wrote it
  previous_hash BLOB,  -- of what it replaced
  text TEXT,  -- where no sidecar holds it
  prompt_tokens INTEGER, completion_tokens INTEGER, seconds REAL, finish_reason TEXT, at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
  image NOT NULL, output NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (image, output)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verdicts (  -- of captions that weren't plainly good
  output PRIMARY KEY, attempts INTEGER NOT NULL, flaws TEXT NOT NULL,
  refused TEXT  -- the caption that was too bad to be written
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accepted (  -- texts that somebody found good, whatever their flaws
  output PRIMARY KEY, hash BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exports (path TEXT PRIMARY KEY, identity TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS markers (marker TEXT NOT NULL);  -- in the names of temporary files
CREATE TABLE IF NOT EXISTS runs (id INTEGER PRIMARY KEY, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS history (  -- what runs replaced
  run INTEGER NOT NULL REFERENCES runs (id),
  output NOT NULL, hash BLOB NOT NULL,  -- of what the run wrote
  text BLOB NOT NULL,
  PRIMARY KEY (run, output)
) WITHOUT ROWID;
"""
SUPER_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")  # SQLite's file format, section 3
WAL_FORMAT_PLACE, WAL_FORMAT = 18, 2  # the same, section 1.3.3


def ledger_path(root: str, shard: tuple[int, int] | None = None) -> Path:
    """Gives the path of the ledger of the dataset in `root`, or of the ledger of one share of it."""
    name = "ledger.sqlite" if shard is None else f"ledger-{shard[0]}-of-{shard[1]}.sqlite"
    return Path(root, FOLDER, name)


def dataset_ledgers(root: str) -> list[Path]:
    """Gives the paths of all ledgers that the dataset in `root` has."""
    return sorted(Path(root, FOLDER).glob("ledger*.sqlite"))


def siblings(path: Path) -> list[Path]:
    """Gives the paths of the dataset's other ledgers, without any that is just being made.

    A ledger that people have put elsewhere has none: it names everything by absolute paths. Raises OSError,
    sqlite3.Error.
    """
    if path.parent.name != FOLDER:
        return []
    others = [other for other in dataset_ledgers(str(path.parent.parent)) if other != path]
    return [other for other in others if is_complete(other)]


def is_complete(path: Path) -> bool:
    """Tells whether the making of a ledger has come to its end. Raises OSError, sqlite3.Error."""
    with contextlib.closing(connect(path, read_only=True)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version) == VERSION


def check(path: Path) -> None:
    """Raises OSError where a ledger, its folder or what lies beside it isn't what SQLite should open."""
    folder = path.parent
    if folder.name == FOLDER and folder.is_symlink():
        raise OSError(errno.ELOOP, f"{folder} is a link")
    for name in (path.name, *(f"{path.name}{ending}" for ending in ("-journal", "-wal", "-shm"))):
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISREG((folder / name).lstat().st_mode):
                raise OSError(errno.EINVAL, f"{folder / name} is a link, or no regular file")
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        if file.read(WAL_FORMAT_PLACE + 2)[WAL_FORMAT_PLACE:] == bytes([WAL_FORMAT] * 2):
            raise OSError(errno.EINVAL, "it has a write-ahead log, which no ledger of ours has")
    with contextlib.suppress(FileNotFoundError), Path(f"{path}-journal").open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - len(SUPER_JOURNAL_MAGIC)))
        if file.read() == SUPER_JOURNAL_MAGIC:
            raise OSError(errno.EINVAL, "its journal names another one, which no ledger of ours does")


def connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Opens a ledger's file. Raises OSError, sqlite3.Error."""
    check(path)
    with contextlib.ExitStack() as unused:
        connection = _open_to_read(path) if read_only else _open(path, "rwc")
        unused.callback(connection.close)
        connection.execute("PRAGMA trusted_schema = OFF")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}, and this program knows {VERSION}")
        foreign = connection.execute(
            "SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', 'view') OR sql LIKE '%VIRTUAL%'"
        ).fetchone()
        if foreign != (0,):
            raise sqlite3.DatabaseError(
                "it holds triggers, views or virtual tables, which no ledger of ours does"
            )
        if not read_only:
            set_up(connection)
        unused.pop_all()
        return connection


def _open(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=60, check_same_thread=False
    )


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Opens a ledger without ever writing to it.

    What a killed run left half written has to be taken back before anything can be read. That is done in a
    copy, which is in memory afterwards.
    """
    with contextlib.ExitStack() as unused:
        connection = _open(path, "ro")
        unused.callback(connection.close)
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            if not Path(f"{path}-journal").exists():
                raise
            return _recovered(path)
        unused.pop_all()
        return connection


def _recovered(path: Path) -> sqlite3.Connection:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        for ending in ("", "-journal"):
            shutil.copyfile(f"{path}{ending}", f"{copy}{ending}")
        with contextlib.closing(_open(copy, "rw")) as recovered:
            memory = sqlite3.connect(":memory:", check_same_thread=False)
            recovered.backup(memory)
            return memory


def set_up(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Makes the ledger's tables where they aren't there, and gives the connection back."""
    # No write-ahead log: it needs shared memory, which network file systems don't have.
    connection.execute("PRAGMA synchronous = FULL")
    connection.executescript(SCHEMA)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    return connection


def is_held(path: Path) -> bool:
    """Tells whether somebody on this machine works on a ledger alone, as a run does."""
    # Trying to take the lock would keep a run out that begins at the same moment.
    try:
        status = os.lstat(f"{path}.lock")
        locks = Path("/proc/locks").read_text()
    except OSError:
        return False
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    return any("FLOCK" in line and device in line.split() for line in locks.splitlines())


def hold(path: Path) -> IO[bytes]:
    """Takes the ledger's lock, and gives the file whose closing releases it.

    Raises LedgerUnavailableError, OSError.
    """
    held = open(open_unlinked(f"{path}.lock"), "rb")  # noqa: SIM115 - open as long as the ledger is
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        held.close()
        raise LedgerUnavailableError(
            f"Another run works on this dataset (it holds {path}): wait for its end, or use --shard"
        ) from error
    return held


@contextlib.contextmanager
def as_unavailable(path: Path) -> Iterator[None]:
    """Turns errors of opening the ledger at `path` into LedgerUnavailableError."""
    try:
        yield
    except (OSError, *SQLITE_ERRORS) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise LedgerUnavailableError(
            f"The ledger {path} can't be opened: {reason}. --ledger PATH puts it elsewhere"
        ) from error
