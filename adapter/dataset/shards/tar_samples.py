"""The images of a WebDataset tar, in their order, with one member in memory at one time.

A member's key is its path up to the first dot of its base name, as in WebDataset. Nothing is ever unpacked
to the disk, and no link is followed.
"""

import contextlib
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Self

from adapter.dataset.records import on_one_line
from adapter.dataset.shards.sample import Sample, sample_of, too_large
from adapter.dataset.shards.store import reason_of
from adapter.errors import ImageError, StoreError
from adapter.images.image_name import has_image_extension, is_set_aside

KEY = re.compile(r"((?:.*/)?[^./][^./]*)\.([^/]*)", re.DOTALL)
READ_BYTES = 2**18
MAX_HEADER_BYTES = 2**16  # of names and attributes that don't fit into a member's own header
# What tarfile raises on damaged data, as seen in its source.
DAMAGE = (tarfile.TarError, EOFError, ValueError, OverflowError, IndexError)
HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)


class _Member(tarfile.TarInfo):
    """A member, whose headers can't fill the memory."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            if isinstance(tar, _Tar):
                tar.has_end = True
            raise

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in HEADERS and self.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a name or attribute has {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


class _Tar(tarfile.TarFile):
    """A tar that knows whether it came to its end mark, and not to something that is no header."""

    tarinfo = _Member
    has_end = False


class _Source:
    """The bytes of a tar, so that an error of whatever they are written to is never taken for theirs."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name

    def read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except OSError as error:
            raise StoreError(f"{self._name} can't be read: {reason_of(error)}") from error


@contextlib.contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Turns what damaged tars raise, in their headers and in their members, into StoreError."""
    try:
        yield
    except DAMAGE as error:
        raise StoreError(f"{name} breaks off or is damaged: {on_one_line(str(error))}") from error


def members_of(stream: IO[bytes], name: str) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """Yields each member with the tar that it can be read from until the next one is asked for.

    Raises StoreError where the store fails, and what `damage_told` turns into it.
    """
    source: Any = _Source(stream, name)
    with _Tar.open(fileobj=source, mode="r|", bufsize=READ_BYTES) as tar:
        assert isinstance(tar, _Tar)
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined] # it would keep all of them
            yield tar, member
        if not tar.has_end:
            raise tarfile.ReadError("there is no end mark")


def key_and_ending(name: str) -> tuple[str, str]:
    """Gives a member's key, and its name from the first dot on; both are empty where it is in no sample."""
    found = KEY.fullmatch(name)
    return (found[1], found[2]) if found else ("", "")


def is_plain(member: tarfile.TarInfo) -> bool:
    """Tells whether the member is a file with its content in the tar, and no link or device."""
    return member.isreg() and not member.issparse()


@dataclass
class TarSamples:
    """The images of the tar in `stream`, called `name`. `others` counts those whose names have more endings.

    `0001.seg.png` is another field of the sample `0001` than its image.
    """

    stream: IO[bytes]
    name: str
    max_bytes: int
    others: int = 0

    def __iter__(self) -> Iterator[Sample]:
        """Raises StoreError where the tar breaks off or is damaged; what came before is good."""
        with damage_told(self.name):
            for tar, member in members_of(self.stream, self.name):
                if (sample := self._sample(tar, member)) is not None:
                    yield sample

    def _sample(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Sample | None:
        key, ending = key_and_ending(member.name)
        if member.isdir() or not key or is_set_aside(member.name):
            return None
        if not has_image_extension(f"x.{ending}"):
            return None
        if "." in ending:
            self.others += 1
            return None
        if not is_plain(member):
            return sample_of(key, ImageError("The member is a link or something else than a plain file"))
        if member.size > self.max_bytes:
            return sample_of(key, too_large(self.max_bytes))
        file = tar.extractfile(member)
        assert file is not None
        return sample_of(key, file.read())
