"""Writes texts that somebody has changed by hand, and keeps the index true."""

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

from adapter.dataset.decide import KeepEdited
from adapter.dataset.editing import Edit, write_edits
from adapter.dataset.inputs.image_file import is_below
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
        self._extension = extension
        dataset.ledger.history.run = change

    @property
    def change(self) -> int | None:
        """The number of what was changed, None before anything was."""
        return self._dataset.ledger.history.run

    def write(self, wanted: Sequence[Mended]) -> list[Outcome]:
        """Writes the texts, and gives what came of each. Raises LedgerError."""
        outputs = [self._dataset.name(one.path) for one in wanted]
        known = self._dataset.lookup(outputs, nearby=False)
        outcomes: dict[int, Outcome] = {}
        edits: dict[int, Edit] = {}
        for number, (one, output) in enumerate(zip(wanted, outputs, strict=True)):
            place = os.path.join(self._root, one.path)
            try:
                # A folder may have become a link that leads elsewhere, since the index was made.
                if not is_below(self._root, one.path):
                    raise WriteError("The text lies outside of the dataset")
                old = text_file.read(place)
            except WriteError as error:
                outcomes[number] = error
                continue
            if (None if old is None else text_file.content_hash(old)) != one.seen:
                outcomes[number] = Conflict()
                continue
            entry = self._entry(one, output, known.get(output))
            edits[number] = Edit(place, output, old or b"", one.text.encode(), entry)
        written = write_edits(self._dataset.ledger, list(edits.values()))
        for number, outcome in zip(edits, written, strict=True):
            match outcome:
                case None:
                    outcomes[number] = Written()
                case KeepEdited():
                    outcomes[number] = Conflict()
                case WriteError():
                    outcomes[number] = outcome
        # What is written is written, also where the index can't be: it will be brought up to date later.
        with contextlib.suppress(WriteError):
            self._look_again([(one, outcomes[number]) for number, one in enumerate(wanted)])
            self._index.end_failures([wanted[number].key for number in edits if edits[number].entry])
        return [outcomes[number] for number in range(len(wanted))]

    def _entry(self, one: Mended, output: str, known: Entry | None) -> Entry | None:
        """Gives what makes a text count as somebody's own. One that a run wrote does so by its hash."""
        if not one.text or (known is not None and known.state == WRITTEN):
            return None
        image = self._dataset.name(one.key)
        return Entry(output, image, one.style, WRITTEN, previous_hash=one.seen, at=time.time())

    def _look_again(self, outcomes: Sequence[tuple[Mended, Outcome]]) -> None:
        survey = Survey(self._root, self._extension)
        changed = [(one, outcome) for one, outcome in outcomes if not isinstance(outcome, WriteError)]
        for one, outcome in changed:
            if one.seen is None or not one.text or outcome == Conflict():  # a file may have come or gone
                item = survey.item(one.key)
                if item is not None:
                    self._index.see(item)
        self._index.put(Reader(self._root, self._dataset).read([one.path for one, _ in changed]))
