"""The captions of a shard's finished output, and what tells this output from any other."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pyarrow import parquet

from adapter.dataset.shards.row_layout import about_of, column
from adapter.dataset.shards.store import FOREIGN_ERRORS, Place, reason_of
from adapter.errors import StoreError

LENGTH_AT = -8  # from the end of a Parquet file: its footer's length in 4 bytes, and 4 that say what it is
DIGEST_BYTES = 32


@dataclass(frozen=True)
class CaptionsFile:
    """The finished output at `place`. `styles` has an empty name where there is one caption per image.

    `digest` is of the file's footer, which has the settings, sizes, bounds and counts of all that is in it.
    """

    place: Place
    styles: Sequence[str]
    digest: str
    rows: int

    def texts(self) -> dict[str, tuple[str, ...]]:
        """Gives the captions of each key, one for each style; keys that lack one are left out.

        Raises StoreError.
        """
        columns = [column("caption", style) for style in self.styles]
        with self.place.random_access() as file:
            try:
                table = parquet.read_table(file, columns=["key", *columns])
                table.validate(full=True)  # or its texts may be no UTF-8
                keys, *captions = (table[name].to_pylist() for name in ("key", *columns))
            except (KeyError, *FOREIGN_ERRORS) as error:
                raise StoreError(f"{self.place.shown} is damaged: {reason_of(error)}") from error
        found = zip(keys, zip(*captions, strict=True), strict=True)
        return {key: texts for key, texts in found if None not in texts}


def captions_at(place: Place) -> CaptionsFile | None:
    """Looks at an output; gives None where there is none, where it isn't ours, or incomplete.

    Raises StoreError.
    """
    if place.fingerprint() is None:
        return None
    with place.random_access() as file:
        try:
            opened = parquet.ParquetFile(file)
            about = about_of(opened.schema_arrow.metadata)
            if about is None or about.incomplete:
                return None
            return CaptionsFile(place, tuple(about.settings), _footer_digest(file), opened.metadata.num_rows)
        except FOREIGN_ERRORS as error:
            raise StoreError(f"{place.shown} is damaged: {reason_of(error)}") from error


def _footer_digest(file: Any) -> str:
    size = file.size()
    file.seek(size + LENGTH_AT)
    length = int.from_bytes(file.read(4), "little")
    file.seek(size + LENGTH_AT - length)
    return hashlib.blake2b(file.read(length), digest_size=DIGEST_BYTES).hexdigest()
