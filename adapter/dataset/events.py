"""What happens in a run, told to whoever shows it: a bar, a log, a page."""

from collections.abc import Callable
from dataclasses import dataclass

from adapter.caption.answer import Answer
from adapter.dataset.records import Failure


@dataclass(frozen=True)
class CaptioningBegan:
    """The engine is ready, and the first caption is asked for. `model` is what the engine serves."""

    model: str


@dataclass(frozen=True)
class TextWritten:
    """A text is in its place. `has_replaced` tells whether another one was there."""

    image: str
    answer: Answer
    has_replaced: bool = False


@dataclass(frozen=True)
class TextSkipped:
    """A text was there already."""

    image: str


@dataclass(frozen=True)
class TextEdited:
    """A text was changed by hand, and stays as it is."""

    image: str


@dataclass(frozen=True)
class TextFailed:
    """A text can't be made. The ledger has the failure as well."""

    failure: Failure


@dataclass(frozen=True)
class EngineProgressed:
    """An engine that isn't ready said how far it is."""

    message: str


@dataclass(frozen=True)
class EngineAway:
    """The engine doesn't answer, and the run waits for it."""


@dataclass(frozen=True)
class EngineBack:
    """The engine answers again, after `away_s` seconds."""

    away_s: float


@dataclass(frozen=True)
class Stopping:
    """The run was interrupted. What is under way has `limit_s` seconds to finish."""

    limit_s: float


@dataclass(frozen=True)
class ShardLeft:
    """A shard is left alone, with the output that it has: so many texts, of which some `failed`."""

    shard: str
    texts: int
    failed: int
    why: str


@dataclass(frozen=True)
class ShardDone:
    """A shard's output is in its place, with so many rows, of which some `failed`.

    `others` are fields of samples that look like images, and weren't captioned.
    """

    output: str
    rows: int
    failed: int
    others: int = 0


@dataclass(frozen=True)
class SliceDone:
    """Nothing is left to do in the slice of a folder that has this name."""

    name: str


@dataclass(frozen=True)
class TarWritten:
    """A new tar is in its place, with so many samples. `left_out` images have no caption."""

    tar: str
    samples: int
    left_out: int


@dataclass(frozen=True)
class TextsLost:
    """So many texts that were told of as written could not be kept."""

    texts: int


Event = (
    CaptioningBegan
    | TextWritten
    | TextSkipped
    | TextEdited
    | TextFailed
    | EngineProgressed
    | EngineAway
    | EngineBack
    | Stopping
    | ShardLeft
    | ShardDone
    | SliceDone
    | TarWritten
    | TextsLost
)
Emit = Callable[[Event], None]
