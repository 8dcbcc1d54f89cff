"""A folder of images and texts, with the index by which it is reviewed."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapter.dataset.ledger import Ledger
from adapter.dataset.ledger_file import ledger_path
from adapter.dataset.review.desk import Desk
from adapter.dataset.review.index import Index
from adapter.dataset.review.item_filter import ItemFilter
from adapter.dataset.review.lookup import ReviewedItem, found, items
from adapter.dataset.review.refresh import refresh


@dataclass(frozen=True)
class Reviewed:
    """The folder `root`, and where its index is."""

    root: Path
    path: Path

    def image(self, name: str, size_bytes: int = 1) -> Path:
        """Puts a file with an image's name there."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x" * size_bytes)
        return place

    def add(self, **texts: str) -> None:
        """Puts images there, by their stems, each with its text."""
        for stem, text in texts.items():
            self.image(f"{stem}.png")
            (self.root / f"{stem}.txt").write_text(text)

    def refresh(self, extension: str = ".txt") -> str:
        return refresh(self.path, str(self.root), extension)

    @contextlib.contextmanager
    def index(self) -> Iterator[Index]:
        with contextlib.closing(Index.open(self.path)) as index:
            yield index

    @contextlib.contextmanager
    def desk(self) -> Iterator[Desk]:
        """Brings the index up to date, and opens the dataset."""
        self.refresh()
        with contextlib.closing(Desk(str(self.root), ".txt", self.path)) as desk:
            yield desk

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with contextlib.closing(Ledger.open(ledger_path(str(self.root)))) as ledger:
            yield ledger

    def items(self, query: str = "") -> dict[str, ReviewedItem]:
        """Gives what the index has of the images that a query means, by their names."""
        with self.index() as index:
            numbers = found(index, ItemFilter(query))
            return {item.key: item for item in items(index, numbers)}

    def texts(self, name: str) -> dict[str, str]:
        """Gives the paths of an image's texts, by their styles, as the index has them."""
        return {text.style: text.path for text in self.items()[name].texts}

    def contents(self) -> dict[str, str]:
        """Gives what is in the files of texts."""
        return {
            os.path.relpath(path, self.root): path.read_text() for path in sorted(self.root.rglob("*.txt"))
        }
