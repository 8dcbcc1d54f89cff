"""Slices of a folder as parts of a run on many machines, which all see the folder at one path.

A slice is a share of the folder, so images with one text's name are in one slice. Each worker records what it
does in a ledger of its own and reads those of all others: no two machines ever write to one file.
"""

import contextlib
import math
import os
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from adapter.captioner.answering import Captioner
from adapter.dataset.claims import Claims
from adapter.dataset.cluster.worker_ledgers import opened_worker_ledger
from adapter.dataset.events import Emit, Event, SliceDone, TextEdited, TextFailed, TextSkipped, TextWritten
from adapter.dataset.inputs.folder import Folder
from adapter.dataset.inputs.share import Share, SharedInput
from adapter.dataset.item import Item
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.nearby import NearbyLedgers
from adapter.dataset.order import Order
from adapter.dataset.outbox import Outbox
from adapter.dataset.pace import Pace
from adapter.dataset.planning import Job, Planned
from adapter.dataset.run import Run
from adapter.dataset.selection import Dataset
from adapter.dataset.work import Settled
from adapter.dataset.writer import Writer
from adapter.errors import InvalidRequestError, LedgerUnavailableError
from adapter.settings import RunSettings

MAX_SLICE = 10_000  # images, about: a lost worker's slices are looked through again
MIN_SLICE = 16
SLICES_PER_WORKER = 8  # so that none works long alone in the end


def slices_for(images: int, workers: int) -> int:
    """Gives the number of slices for so many images: small enough that all workers end together."""
    return max(1, math.ceil(images / MAX_SLICE), min(workers * SLICES_PER_WORKER, images // MIN_SLICE))


@dataclass(frozen=True)
class Slice:
    """A slice of the folder at the absolute path `root`."""

    root: str
    share: Share

    @property
    def name(self) -> str:
        """No image's: the ledger names those by relative paths."""
        return f"{self.root}: slice {self.share.index}/{self.share.count}"


@dataclass(frozen=True)
class FolderWork:
    """How slices are captioned by workers.

    `base` is the folder whose ledger it is, `root` itself or above it, and `marker` is that ledger's.
    """

    order: Order
    root: str
    base: str
    marker: str

    def part_of(self, image: str, parts: Mapping[str, Slice]) -> str:
        if not parts:
            return ""
        count = next(iter(parts.values())).share.count  # they are slices of one division
        key = os.path.relpath(os.path.join(self.base, image), self.root)
        name = Slice(self.root, Share.of(key, count)).name
        return name if name in parts else ""

    def output_of(self, part: Slice) -> str:
        """Gives what a slice's output is called in events."""
        return part.root

    @contextlib.contextmanager
    def opened_run(
        self,
        settings: RunSettings,
        captioner: contextlib.AbstractAsyncContextManager[Captioner],
        emit: Emit,
        feed: Iterable[Slice],
    ) -> Iterator[Run[Job]]:
        main = ledger_path(self.base)
        self._check(main)
        with (
            opened_worker_ledger(main) as ledger,
            contextlib.closing(NearbyLedgers(ledger.path, self.base)) as nearby,
            contextlib.closing(Writer(self.order.texts)) as writer,
        ):
            ledger.history.max_bytes = self.order.history_bytes
            ledger.marker = self.marker  # what a lost worker left half written is used up by the next one
            begun: dict[str, Slice] = {}
            ends = SliceEnds(emit, lambda image: self.part_of(image, begun))
            claims, selection = Claims(), self.order.selection
            folder = Folder(self.root, recursive=selection.recursive, follow_links=selection.follow_links)

            def planned(model: str | None) -> Iterator[Planned]:
                planner = self.order.planner(model, claims)
                for part in feed:
                    begun[part.name] = part
                    ledger.look_for_others()
                    dataset = Dataset(SharedInput(folder, part.share), ledger, self.base, nearby)
                    yield from ends.awaited(
                        part.name, planner.plan(dataset, self._items(dataset, part.share, main))
                    )

            yield Run(
                planned,
                Outbox(writer, claims, ends.take),
                Pace(settings.max_in_flight, self.order.concurrency),
                captioner=captioner,
                conditions=self.order.conditions,
                emit=ends.take,
                max_ahead=1,  # the feed may have nothing after the first of several
            )

    def _check(self, main: Path) -> None:
        """Raises InvalidRequestError where another folder lies at the path on this machine, or none."""
        with (
            contextlib.suppress(LedgerUnavailableError),
            contextlib.closing(Ledger.open_read_only(main)) as ledger,
        ):
            if (self.marker,) in ledger.rows("SELECT marker FROM markers", ()):
                return
        raise InvalidRequestError(
            f"{socket.gethostname()} doesn't see the folder {self.root} that the other machines see: --ray "
            "needs one file system that all share"
        )

    def _items(self, dataset: Dataset, share: Share, main: Path) -> Iterator[Item]:
        if not self.order.retry_failed:
            yield from dataset.input.items()
            return
        with contextlib.closing(Ledger.open_read_only(main)) as ledger:
            for item in replace(dataset, ledger=ledger).failed_items():
                if share.has(item.key):
                    yield item


class SliceEnds:
    """Passes events of a run on, and tells of each slice's end when all of its texts are settled.

    `slice_of` names the slice of an image.
    """

    def __init__(self, emit: Emit, slice_of: Callable[[str], str]) -> None:
        self._emit = emit
        self._slice_of = slice_of
        self._planned: Counter[str] = Counter()  # texts by slices, counted by the thread that plans
        self._settled: Counter[str] = Counter()
        self._read: set[str] = set()

    def awaited(self, name: str, planned: Iterable[Planned]) -> Iterator[Planned]:
        """Gives what is planned for a slice, and its end, which `take` holds back."""
        for one in planned:
            self._planned[name] += 1 if isinstance(one, Settled) else len(one.tasks)
            yield one
        yield Settled(SliceDone(name))

    def take(self, event: Event) -> None:
        """Takes an event of the run."""
        match event:
            case SliceDone(name):
                self._read.add(name)
            case TextWritten(image) | TextSkipped(image) | TextEdited(image):
                name = self._slice_of(image)
                self._settled[name] += 1
            case TextFailed(failure):
                name = self._slice_of(failure.image)
                self._settled[name] += 1
            case _:
                name = ""
        if not isinstance(event, SliceDone):
            self._emit(event)
        if name in self._read and self._settled[name] == self._planned[name]:
            self._read.remove(name)
            self._emit(SliceDone(name))
