"""Changes texts that are there, each whole or not at all, so that `undo` can put them back."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from adapter.dataset.decide import KeepEdited
from adapter.dataset.history import Replaced
from adapter.dataset.ledger import Ledger
from adapter.dataset.placing import placing
from adapter.dataset.records import Entry
from adapter.dataset.texts import text_file
from adapter.errors import LedgerError, WriteError

SYNC_THREADS = 8  # a disk takes several files at a time faster than one after the other
MARK = "edit"  # in temporary files' names, so that a run that makes the same text doesn't meet them


@dataclass(frozen=True)
class Edit:
    """A change of the text at the absolute `place`, which the ledger calls `output`.

    `old` is what was seen there and `new` what is to be; an empty one stands for no text, and no file.
    `entry` is what the ledger is to know of the text from now on, None where that doesn't change.
    """

    place: str
    output: str
    old: bytes
    new: bytes
    entry: Entry | None = None


# What came of an edit: None where it is in its place, KeepEdited where somebody has changed the text since it
# was seen, and it stays as it is.
Outcome = KeepEdited | WriteError | None


def write_edits(ledger: Ledger, edits: Sequence[Edit]) -> list[Outcome]:
    """Makes the changes, and gives what came of each.

    What is replaced is safe in the ledger before. Raises LedgerError, and then nothing is changed.
    """
    if not edits:
        return []
    # Whoever edits the same text at the same time would use the same temporary file.
    with placing(ledger.path):
        return _write(ledger, edits)


def _write(ledger: Ledger, edits: Sequence[Edit]) -> list[Outcome]:
    with ThreadPoolExecutor(min(SYNC_THREADS, max(1, len(edits))), "edit") as threads:
        staged = list(threads.map(lambda edit: _stage(edit, ledger.marker + MARK), edits))
    begun = [edit for edit, one in zip(edits, staged, strict=True) if isinstance(one, str)]
    try:
        ledger.record(
            [edit.entry for edit in begun if edit.entry is not None],
            (),
            [Replaced(edit.output, edit.old, text_file.content_hash(edit.new)) for edit in begun],
        )
    except LedgerError:
        for one in staged:
            if isinstance(one, str):
                text_file.discard(one)
        raise
    outcomes = [
        _put(edit, one) if isinstance(one, str) else one for edit, one in zip(edits, staged, strict=True)
    ]
    for folder in {os.path.dirname(edit.place) for edit in begun}:
        text_file.sync_folder(folder)
    return outcomes


def _stage(edit: Edit, marker: str) -> str | WriteError:
    """Gives the path of the file that holds the new text."""
    try:
        return text_file.write_temporary(edit.place, edit.new, marker)
    except WriteError as error:
        return error


def _put(edit: Edit, temporary: str) -> Outcome:
    try:
        if (text_file.read(edit.place) or b"") != edit.old:
            text_file.discard(temporary)
            return KeepEdited()
        if edit.new:
            text_file.put_in_place(temporary, edit.place)
        else:
            text_file.remove(edit.place)
            text_file.discard(temporary)
    except WriteError as error:
        text_file.discard(temporary)
        return error
    return None
