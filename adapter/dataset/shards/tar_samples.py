"""The images of a WebDataset tar, in their order, with one member in memory at one time.

A member's key is its path up to the first dot of its base name, as in WebDataset. Nothing is ever unpacked
to the disk, and no link is followed.
"""

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Self

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
        try:
            with _Tar.open(fileobj=self.stream, mode="r|", bufsize=READ_BYTES) as tar:
                assert isinstance(tar, _Tar)
                while (member := tar.next()) is not None:
                    tar.members.clear()  # type: ignore[attr-defined] # it would keep all of them
                    if (sample := self._sample(tar, member)) is not None:
                        yield sample
                if not tar.has_end:
                    raise tarfile.ReadError("there is no end mark")
        except OSError as error:
            raise StoreError(f"{self.name} can't be read: {reason_of(error)}") from error
        except DAMAGE as error:
            raise StoreError(f"{self.name} breaks off or is damaged: {on_one_line(str(error))}") from error

    def _sample(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Sample | None:
        found = KEY.fullmatch(member.name)
        if member.isdir() or found is None or is_set_aside(member.name):
            return None
        key, ending = found.groups()
        if not has_image_extension(f"x.{ending}"):
            return None
        if "." in ending:
            self.others += 1
            return None
        if not member.isreg() or member.issparse():
            return sample_of(key, ImageError("The member is a link or something else than a plain file"))
        if member.size > self.max_bytes:
            return sample_of(key, too_large(self.max_bytes))
        file = tar.extractfile(member)
        assert file is not None
        return sample_of(key, file.read())
