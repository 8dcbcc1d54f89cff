"""What a run over a dataset will take: hours, and bytes in and out. Pure."""

from dataclasses import dataclass
from typing import Any

# A caption of 512 tokens, the default limit, in English: Llama 3 makes about five bytes of each.
MAX_CAPTION_BYTES = 2560
HOUR_S = 3600


@dataclass(frozen=True)
class Extent:
    """How large a dataset is. `shards` is None for folders, `images` where nobody knows their number.

    `estimated_from` names the tar whose beginning tells how large images are, empty where all were counted.
    `missing` shards are named and aren't there.
    """

    images: int | None
    bytes: int
    shards: int | None = None
    estimated_from: str = ""
    missing: int = 0


@dataclass(frozen=True)
class Forecast:
    """A run over the extent with so many texts for each image, on `gpus` that make `rate` texts per second
    each, None where nobody has measured that.
    """

    extent: Extent
    texts: int = 1
    gpus: int = 1
    rate: float | None = None

    @property
    def hours(self) -> float | None:
        """The time while all GPUs work; None where images or rate are unknown."""
        if self.extent.images is None or self.rate is None:
            return None
        return self.extent.images * self.texts / (self.rate * self.gpus) / HOUR_S

    @property
    def max_written_bytes(self) -> int | None:
        """The most that captions take; outputs in Parquet are compressed, and take a part of it."""
        return None if self.extent.images is None else self.extent.images * self.texts * MAX_CAPTION_BYTES

    def as_dict(self) -> dict[str, Any]:
        """Gives it for programs."""
        extent = self.extent
        return {
            "shards": extent.shards,
            "missing_shards": extent.missing,
            "images": extent.images,
            "images_estimated_from": extent.estimated_from or None,
            "texts_per_image": self.texts,
            "bytes_to_read": extent.bytes,
            "max_bytes_to_write": self.max_written_bytes,
            "gpus": self.gpus,
            "texts_per_s_per_gpu": self.rate,
            "hours": None if self.hours is None else round(self.hours, 3),
        }
