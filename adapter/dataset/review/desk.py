"""One dataset under review, in the service's own process: what is quick enough to be done there.

What may take long is in `refresh`, `bulk`, `frequencies` and `findings`, which are meant for other processes.
"""

import contextlib
import os
import threading
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapter.dataset.accepted import accept
from adapter.dataset.history import PastRun
from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.nearby import covering_folder
from adapter.dataset.overview import history_of
from adapter.dataset.review.index import Index
from adapter.dataset.review.item_filter import ItemFilter
from adapter.dataset.review.lookup import (
    ReviewedItem,
    ReviewedText,
    Summary,
    found,
    items,
    number_of_item,
    summary,
    version_of,
)
from adapter.dataset.review.mending import Conflict, Mended, Mender, Written
from adapter.dataset.review.reading import Reader
from adapter.dataset.review.refresh import opened
from adapter.dataset.review.survey import Survey
from adapter.dataset.selection import Dataset, Selection, open_datasets
from adapter.dataset.texts.sidecars import Sidecars
from adapter.errors import FileMissingError, LedgerError, WrongFieldError
from adapter.images.sources import ImageFile


class Desk:
    """The dataset in the absolute folder `root`, by its index at `path`. Must be closed.

    Methods block, may be called from any thread, and wait for each other. They raise WriteError where the
    index can't be used, and LedgerError where the ledger can't be.
    """

    def __init__(self, root: str, extension: str, path: Path) -> None:
        self.root = root
        self.extension = extension
        self.path = path
        self._sidecars = Sidecars(extension=extension)
        self._lock = threading.Lock()
        self._index = Index.open(path)
        self.is_empty = False  # whether the index was made anew since it was last brought up to date

    def close(self) -> None:
        with self._lock:
            self._index.close()

    @contextlib.contextmanager
    def _using(self) -> Iterator[Index]:
        """Lets one thread at a time use the index, and reopens it where another file has taken its place."""
        with self._lock:
            if not self._index.is_in_place():
                self._index.close()
                self._index = Index.open(self.path)
                self.is_empty = True
            yield self._index

    def version(self) -> int:
        """Gives a number that changes when another process has changed the index."""
        with self._using() as index:
            return int(index.rows("PRAGMA data_version")[0][0])

    def summary(self) -> Summary:
        """Counts everything."""
        with self._using() as index:
            return summary(index)

    def find(self, meant: ItemFilter) -> "array[int]":
        """Gives the numbers of the items that are meant, in their order. Raises WrongFieldError."""
        with self._using() as index:
            return found(index, meant)

    def numbers(self, keys: Sequence[str]) -> "array[int]":
        """Gives the numbers of images by their keys. Raises FileMissingError."""
        with self._using() as index:
            return array("q", (number_of_item(index, key) for key in keys))

    def items(self, numbers: Sequence[int]) -> list[ReviewedItem]:
        """Gives the items with their texts as these are now, also where the index doesn't know of it yet."""
        with self._using() as index:
            known = items(index, numbers)
            changed = [text.path for one in known for text in one.texts if self._has_changed(text)]
            if not changed:
                return known
            with self._reader() as reader:
                index.put(reader.read(changed))
            return items(index, numbers)

    def image(self, key: str) -> tuple[ImageFile, str]:
        """Gives an image's file, and what changes with it. Raises FileMissingError."""
        with self._using() as index:
            number = number_of_item(index, key)
            [(size, mtime_ns)] = index.rows("SELECT size, mtime_ns FROM items WHERE id = ?", (number,))
        return ImageFile(os.path.join(self.root, key)), version_of(size, mtime_ns)

    def item(self, key: str) -> ReviewedItem:
        """Gives an item as `items` does. Raises FileMissingError."""
        for item in self.items(self.numbers([key])):
            return item
        raise FileMissingError("The dataset has no such image any more")

    def write(self, key: str, style: str, text: str, seen: bytes | None) -> int | None:
        """Writes a text in the place of one with the hash `seen`, and gives the number of the change.

        Gives None where somebody has changed the text since it was seen: then it stays as it is. Raises
        FileMissingError, WrongFieldError for a style that this image can't have, and WriteError also where
        the text can't be written.
        """
        with self._using() as index, self._opened() as dataset:
            known = items(index, [number_of_item(index, key)])
            path = next((one.path for item in known for one in item.texts if one.style == style), None)
            if path is None:
                path = self._sidecars.name(key, style)
                if not Survey(self.root, self.extension).is_text_of(key, path):
                    raise WrongFieldError("style", "would make a text of another image, or of none")
            mender = Mender(dataset, index, self.extension)
            [outcome] = mender.write([Mended(key, style, path, seen, text.strip())])
            match outcome:
                case Written():
                    return mender.change
                case Conflict():
                    return None
                case error:
                    raise error

    def accept(self, key: str, style: str, digest: bytes | None) -> None:
        """Notes that a text is good as it is, or with None no more. Raises FileMissingError."""
        with self._using() as index, self._opened() as dataset:
            for known in items(index, [number_of_item(index, key)]):
                for text in known.texts:
                    if text.style == style:
                        accept(dataset.ledger, {dataset.name(text.path): digest})
                        index.put(Reader(self.root, dataset).read([text.path]))

    def history(self) -> list[PastRun]:
        """Gives what can be undone, the newest first."""
        path = ledger_path(covering_folder(self.root))
        if not path.is_file():
            return []
        with contextlib.closing(Ledger.open_read_only(path)) as ledger:
            return history_of(ledger)

    def _has_changed(self, text: ReviewedText) -> bool:
        try:
            status = os.lstat(os.path.join(self.root, text.path))
        except OSError:
            return text.hash is not None or text.is_stale
        return text.is_stale or (status.st_size, status.st_mtime_ns) != (text.size, text.mtime_ns)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Reader]:
        with contextlib.ExitStack() as stack:
            try:
                dataset = stack.enter_context(opened(self.root))
            except LedgerError:
                yield Reader(self.root, None)  # `refresh` tells why
            else:
                yield Reader(self.root, dataset)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Dataset]:
        """Opens the dataset for changes of single texts."""
        with open_datasets(Selection([self.root]), alone=False) as (dataset,):
            yield dataset
