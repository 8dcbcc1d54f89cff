"""Files by path or URI: in folders, and in object stores through pyarrow.fs, or fsspec for other schemes.

Foreign errors of reading and writing end here.
"""

import contextlib
import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, Any

import pyarrow
from pyarrow import fs

from adapter.dataset.new_file import create_anew
from adapter.errors import InvalidRequestError, StoreError

ARROW_SCHEMES = ("file", "s3", "gs", "gcs")
FOREIGN_ERRORS = (OSError, ValueError, NotImplementedError, pyarrow.ArrowException)
MAX_REASON = 300  # characters; a store may answer with a page
STREAM_BYTES = 2**22  # fetched at one time: a hundred images, so that one round trip serves them all
WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Fingerprint:
    """What tells whether a file is still the one that it was; `modified_ns` is None where nobody knows."""

    bytes: int
    modified_ns: int | None


@dataclass(frozen=True)
class Place:
    """A file or folder. `shown` is its path or URI without keys and options. Methods raise StoreError."""

    filesystem: Any
    path: str
    shown: str

    def below(self, *names: str) -> "Place":
        """Gives the place of that name in this folder."""
        ends = "/".join(names)
        path, shown = (f"{base.rstrip('/')}/{ends}" for base in (self.path, self.shown))
        return replace(self, path=path, shown=shown)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> "Place":
        """The folder that it is in."""
        return replace(
            self, path=self.path.rpartition("/")[0] or "/", shown=self.shown.rpartition("/")[0] or "/"
        )

    @property
    def is_local(self) -> bool:
        """Whether it is in a file system of this machine."""
        return isinstance(self.filesystem, fs.LocalFileSystem)

    def fingerprint(self) -> Fingerprint | None:
        """Looks at the file; None where there is none."""
        with self.telling("read"):
            info = self.filesystem.get_file_info(self.path)
        if info.type is fs.FileType.NotFound:
            return None
        return Fingerprint(info.size or 0, info.mtime_ns)

    def files(self) -> list["Place"]:
        """Gives the files in this folder by name; none where it isn't there."""
        return [replace(self, path=path, shown=shown) for path, shown in self._files(recursive=False)]

    def matching(self, pattern: str) -> list["Place"]:
        """Gives the files below this folder whose relative paths match; `*` stays within a folder's name."""
        deep = "/" in pattern
        prefix = self.path.rstrip("/") + "/"
        return [
            replace(self, path=path, shown=shown)
            for path, shown in self._files(recursive=deep)
            if _matches(path.removeprefix(prefix), pattern)
        ]

    def _files(self, *, recursive: bool) -> Iterator[tuple[str, str]]:
        with self.telling("listed"):
            selector = fs.FileSelector(self.path, recursive=recursive, allow_not_found=True)
            found = self.filesystem.get_file_info(selector)
        base = self.path.rstrip("/")
        for path in sorted(info.path for info in found if info.type is fs.FileType.File):
            yield path, self.shown.rstrip("/") + path.removeprefix(base)

    @contextlib.contextmanager
    def stream(self, buffer_bytes: int = STREAM_BYTES) -> Iterator[Any]:
        """Opens the file to be read from its beginning to its end, with nothing else in memory."""
        with self.telling("read"):
            opened = self.filesystem.open_input_stream(self.path, compression=None, buffer_size=buffer_bytes)
        with opened:
            yield opened

    @contextlib.contextmanager
    def random_access(self) -> Iterator[Any]:
        """Opens the file to be read in any order."""
        with self.telling("read"):
            opened = self.filesystem.open_input_file(self.path)
        with opened:
            yield opened

    def write(self, content: bytes) -> None:
        """Makes the file hold `content`: it appears whole or not at all."""
        with self.telling("written"):
            if self.is_local:
                self._write_here(content)
                return
            # All is there before it begins, so that nothing but the store can break it off; an upload
            # counts once it is complete.
            with self.filesystem.open_output_stream(self.path, compression=None) as file:
                file.write(content)

    def _write_here(self, content: bytes) -> None:
        with self._replacing_here() as file:
            file.write(content)

    @contextlib.contextmanager
    def replacing(self) -> Iterator[Any]:
        """Opens a file to be written piece by piece, which takes this one's place when the context ends.

        After an error nothing is left of it. An upload counts once it is complete, and can't be broken off:
        so it goes to another name, and the store moves it.
        """
        with self.telling("written"):
            if self.is_local:
                with self._replacing_here() as file:
                    yield file
                return
            temporary = f"{self.folder.path}/{self._temporary}"
            with contextlib.ExitStack() as broken_off:
                broken_off.callback(self._discard, temporary)
                with self.filesystem.open_output_stream(temporary, compression=None) as file:
                    yield file
                self.filesystem.move(temporary, self.path)
                broken_off.pop_all()

    @contextlib.contextmanager
    def _replacing_here(self) -> Iterator[IO[bytes]]:
        folder = os.path.dirname(self.path)
        os.makedirs(folder, exist_ok=True)
        temporary = os.path.join(folder, self._temporary)
        try:
            with create_anew(temporary) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            with contextlib.suppress(OSError):  # it has taken its place
                os.unlink(temporary)

    def _discard(self, path: str) -> None:
        with contextlib.suppress(*FOREIGN_ERRORS):
            self.filesystem.delete_file(path)

    @property
    def _temporary(self) -> str:
        return f".joycaption-{self.name}.tmp"

    def remove(self) -> None:
        """Removes the file; it may be gone already."""
        with self.telling("removed"), contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path)

    def remove_folder(self) -> None:
        """Removes the empty folder, or the empty object that stands for it; one that isn't empty stays."""
        if self.is_local:
            with contextlib.suppress(OSError):
                os.rmdir(self.path)
        elif not self.files():
            with self.telling("removed"), contextlib.suppress(FileNotFoundError):
                self.filesystem.delete_dir(self.path)

    @contextlib.contextmanager
    def telling(self, done: str) -> Iterator[None]:
        """Turns foreign errors into ours: the file can't be `done`."""
        try:
            yield
        except FOREIGN_ERRORS as error:
            raise StoreError(f"{self.shown} can't be {done}: {reason_of(error)}") from error


def reason_of(error: BaseException) -> str:
    """Gives what a foreign error says, on one line that isn't long."""
    if isinstance(error, OSError) and error.strerror and error.errno:
        return os.strerror(error.errno)
    return " ".join(str(error).split())[:MAX_REASON] or type(error).__name__


def place_of(uri: str) -> Place:
    """Gives the place of a path or URI. What follows `?` in a URI is the store's options.

    Raises InvalidRequestError where there is no such store.
    """
    scheme, mark, rest = uri.partition("://")
    if not mark:
        path = os.path.abspath(uri)
        return Place(fs.LocalFileSystem(), path, path)
    rest, _, options = rest.partition("?")
    authority, slash, path = rest.partition("/")
    shown = f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"
    try:
        if scheme not in ARROW_SCHEMES:
            return _by_fsspec(uri, shown)
        # Only the bucket: names below it may hold what no URI may.
        bucket = f"{scheme}://{authority or '/'}" + (f"?{options}" if options else "")
        filesystem, base = fs.FileSystem.from_uri(bucket)
    except ImportError as error:
        raise InvalidRequestError(f"{scheme}:// needs a package that is missing: {error}") from error
    except FOREIGN_ERRORS as error:
        raise InvalidRequestError(f"{shown} can't be opened: {reason_of(error)}") from error
    return Place(filesystem, f"{base.rstrip('/')}{slash}{path}", shown)


def _by_fsspec(uri: str, shown: str) -> Place:
    import fsspec.core

    filesystem, path = fsspec.core.url_to_fs(uri)
    return Place(fs.PyFileSystem(fs.FSSpecHandler(filesystem)), path, shown)


def split_pattern(uri: str) -> tuple[str, str]:
    """Splits a path or URI with wildcards into the folder above the first of them, and the pattern below.

    The pattern is empty where there are none. A URI's options stay with the folder.
    """
    is_uri = "://" in uri
    path, question, options = uri.partition("?") if is_uri else (uri, "", "")
    wild = WILD.search(path)
    if wild is None:
        return uri, ""
    folder, slash, _ = path[: wild.start()].rpartition("/")
    return (folder or slash or ".") + question + options, path[len(folder) + len(slash) :]


def _matches(path: str, pattern: str) -> bool:
    names, patterns = path.split("/"), pattern.split("/")
    return len(names) == len(patterns) and all(map(fnmatch.fnmatchcase, names, patterns))
