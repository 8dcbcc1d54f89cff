"""Writes texts that somebody has changed by hand, and keeps the index true."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from adapter.dataset.editing import Edit, write_edits
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.review.index import Index
from adapter.dataset.review.reading import Reader
from adapter.dataset.review.survey import Survey
from adapter.dataset.selection import Dataset
from adapter.dataset.texts import text_file
from adapter.errors import WriteError


@dataclass(frozen=True)
class Mended:
    """A text as it is to be: `text`, nothing for none, in the place of what has the hash `seen`.

    `path` is below the dataset's folder, `key` is its image's. `seen` is None where there was none.
    """

    key: str
    style: str
    path: str
    seen: bytes | None
    text: str


@dataclass(frozen=True)
class Written:
    """The text is in its place."""


@dataclass(frozen=True)
class Conflict:
    """Somebody has changed the text since it was seen, and it stays as it is."""


Outcome = Written | Conflict | WriteError


class Mender:
    """Writes texts of a dataset that was opened for writing. `change` numbers what `undo` can put back."""

    def __init__(self, dataset: Dataset, index: Index, extension: str, change: int | None = None) -> None:
        self._dataset = dataset
        self._index = index
        self._root = dataset.input.root
        self._survey = Survey(self._root, extension)
        dataset.ledger.history.run = change

    @property
    def change(self) -> int | None:
        """The number of what was changed, None before anything was."""
        return self._dataset.ledger.history.run

    def write(self, wanted: Sequence[Mended]) -> list[Outcome]:
        """Writes the texts, and gives what came of each. Raises LedgerError, and WriteError of the index."""
        outputs = [self._dataset.name(one.path) for one in wanted]
        known = self._dataset.lookup(outputs, nearby=False)
        outcomes: dict[int, Outcome] = {}
        edits: dict[int, Edit] = {}
        for number, (one, output) in enumerate(zip(wanted, outputs, strict=True)):
            place = os.path.join(self._root, one.path)
            try:
                old = text_file.read(place)
            except WriteError as error:
                outcomes[number] = error
                continue
            if (None if old is None else text_file.content_hash(old)) != one.seen:
                outcomes[number] = Conflict()
                continue
            entry = self._entry(one, output, known.get(output))
            edits[number] = Edit(place, output, old or b"", one.text.encode(), entry)
        errors = write_edits(self._dataset.ledger, list(edits.values()))
        outcomes |= {
            number: Written() if error is None else error for number, error in zip(edits, errors, strict=True)
        }
        self._look_again([one for number, one in enumerate(wanted) if outcomes[number] == Written()])
        return [outcomes[number] for number in range(len(wanted))]

    def _entry(self, one: Mended, output: str, known: Entry | None) -> Entry | None:
        """Gives what makes a text count as somebody's own. One that a run wrote does so by its hash."""
        if not one.text or (known is not None and known.state == WRITTEN):
            return None
        image = self._dataset.name(one.key)
        return Entry(output, image, one.style, WRITTEN, previous_hash=one.seen, at=time.time())

    def _look_again(self, written: Sequence[Mended]) -> None:
        for one in written:
            if one.seen is None or not one.text:  # a file came or went
                item = self._survey.item(one.key)
                if item is not None:
                    self._index.see(item)
        paths = [one.path for one in written if one.text]
        self._index.put(Reader(self._root, self._dataset).read(paths))
