"""One thing to be captioned, wherever it comes from."""

from collections.abc import Callable
from dataclasses import dataclass, field

from adapter.images.sources import ImageSource


@dataclass(frozen=True)
class Fingerprint:
    """What tells whether an item's image is still the one that it was: its size in bytes, and its time."""

    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Item:
    """An image of a dataset. `key` names it there, on every machine alike: below a folder, its relative path.

    `fingerprint` looks at the image anew each time, and gives None where it is gone. `text` is what the
    dataset itself says about the image, where that counts: None where there is nothing.
    """

    key: str
    source: ImageSource
    fingerprint: Callable[[], Fingerprint | None] = field(repr=False, compare=False)
    text: str | None = None
