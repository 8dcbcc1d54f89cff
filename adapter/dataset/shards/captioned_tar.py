"""Makes a new tar of a shard: the files of its captioned samples as they are, each image with its captions.

The shard is read a second time, one piece in memory at one time, and stays as it is.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from adapter.dataset.records import encodable
from adapter.dataset.shards.captions_file import CaptionsFile
from adapter.dataset.shards.parquet_samples import Columns, ParquetSamples
from adapter.dataset.shards.shard_list import Shard
from adapter.dataset.shards.store import Place
from adapter.dataset.shards.tar_samples import damage_told, is_plain, key_and_ending, members_of
from adapter.errors import StoreError
from adapter.images.image_name import has_image_extension
from adapter.images.signatures import extension_of

# In the global header, with which the tar begins: the output and the shard that it was made from.
MARK = "JOYCAPTION.made_from"
MARKED = re.compile(rb" JOYCAPTION\.made_from=([0-9a-f]+) ([0-9a-f]+)\n")
SHARD_DIGEST_BYTES = 16  # of its name, which itself may be nobody's business
HEAD_BYTES, TYPE_AT = 1024, 156
PIECE_BYTES = 2**18
# Uploads go on in the background, and would fill the memory where the shard comes faster than they go.
MAX_UPLOAD_BYTES = 2**25


class _StoppedError(Exception):
    """Nobody wants the tar any more."""


@dataclass(frozen=True)
class Mark:
    """What a tar was made from: digests of an output, and of a shard's name; empty where it isn't ours."""

    captions: str = ""
    shard: str = ""


def mark_at(place: Place) -> Mark | None:
    """Reads the mark of the tar there; None where there is none. Raises StoreError."""
    if place.fingerprint() is None:
        return None
    with place.stream(HEAD_BYTES) as stream, place.telling("read"):
        head = stream.read(HEAD_BYTES)
    found = MARKED.search(head)
    if found is None or head[TYPE_AT : TYPE_AT + 1] != tarfile.XGLTYPE:
        return Mark()
    return Mark(*(digest.decode() for digest in found.groups()))


@dataclass
class CaptionedTar:
    """The new tar at `place` of `shard` with those captions. `should_stop` is asked before each file."""

    shard: Shard
    captions: CaptionsFile
    place: Place
    columns: Columns
    max_bytes: int
    should_stop: Callable[[], bool] = lambda: False
    _texts: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    _done: set[str] = field(default_factory=set, repr=False)  # keys
    _waiting_bytes: int = 0  # for the upload

    @property
    def mark(self) -> Mark:
        name = self.shard.name.encode(errors="surrogateescape")
        return Mark(self.captions.digest, hashlib.blake2b(name, digest_size=SHARD_DIGEST_BYTES).hexdigest())

    def write(self) -> int | None:
        """Writes the tar, which appears whole or not at all, and gives the number of its samples.

        Without any caption there is no tar; None where it was stopped. Raises StoreError, also where the
        shard isn't the one that was captioned.
        """
        self._texts = self.captions.texts()
        if not self._texts:
            return 0
        try:
            with self.place.replacing() as file:
                with tarfile.open(
                    fileobj=file,
                    mode="w|",
                    bufsize=PIECE_BYTES,
                    format=tarfile.PAX_FORMAT,
                    pax_headers={MARK: f"{self.mark.captions} {self.mark.shard}"},
                ) as tar:
                    self._copy(tar, file)
                if missing := len(self._texts.keys() - self._done):
                    raise StoreError(f"{self.shard.name} has changed: {missing} captioned images are gone")
        except _StoppedError:
            return None
        return len(self._done)

    def _copy(self, tar: tarfile.TarFile, file: Any) -> None:
        if self.shard.is_tar:
            with self.shard.place.stream() as stream, damage_told(self.shard.name):
                self._copy_tar(stream, tar, file)
            return
        with self.shard.place.random_access() as opened:
            for sample in ParquetSamples(opened, self.shard.name, self.max_bytes, self.columns):
                is_wanted = sample.key in self._texts and sample.key not in self._done
                if is_wanted and isinstance(sample.image, bytes):
                    key = member_key(sample.key)
                    member = tarfile.TarInfo(key + extension_of(sample.image))
                    member.size = len(sample.image)
                    self._add(tar, file, member, io.BytesIO(sample.image))
                    self._caption(tar, file, sample.key, key, member)

    def _copy_tar(self, stream: Any, tar: tarfile.TarFile, file: Any) -> None:
        """Copies the members of captioned samples, but no links, no name twice, and none of a caption's."""
        ours = {self._ending(style).lower() for style in self.captions.styles}
        names: set[tuple[str, str]] = set()
        last = ""
        for old, member in members_of(stream, self.shard.name):
            key, ending = key_and_ending(member.name)
            known, name = encodable(key), (key, ending.lower())
            if known not in self._texts or not is_plain(member) or name in names or name[1] in ours:
                continue
            if known in self._done and last != key:
                continue  # apart from the rest it would be a sample of its own, without a caption
            last = key
            names.add(name)
            member.pax_headers = {}  # tarfile gives each member what the whole tar has, and this is another
            self._add(tar, file, member, old.extractfile(member))
            if known not in self._done and "." not in ending and has_image_extension(f"x.{ending}"):
                self._caption(tar, file, known, key, member)

    def _caption(self, tar: tarfile.TarFile, file: Any, known: str, key: str, image: tarfile.TarInfo) -> None:
        """Adds the captions, next to their image: readers take neighbours of one key for one sample."""
        for style, text in zip(self.captions.styles, self._texts[known], strict=True):
            content = text.encode()
            member = tarfile.TarInfo(f"{key}.{self._ending(style)}")
            member.size, member.mtime = len(content), image.mtime
            self._add(tar, file, member, io.BytesIO(content))
        self._done.add(known)

    def _ending(self, style: str) -> str:
        return f"{style}.txt" if style else "txt"

    def _add(self, tar: tarfile.TarFile, file: Any, member: tarfile.TarInfo, content: Any) -> None:
        if self.should_stop():
            raise _StoppedError
        tar.addfile(member, content)
        tar.members.clear()  # type: ignore[attr-defined] # it would keep all of them
        self._waiting_bytes += member.size
        if self._waiting_bytes > MAX_UPLOAD_BYTES:
            file.flush()
            self._waiting_bytes = 0


def member_key(key: str) -> str:
    """Gives the path without its ending of a row's image in a tar, where a key ends at the first dot.

    Dots of the last part are escaped as in URLs, and so is what else would be no name.
    """
    folder, slash, name = key.rpartition("/")
    escaped = name.replace("%", "%25").replace(".", "%2E")
    return folder + slash + escaped if escaped else f"{folder}%2F"
