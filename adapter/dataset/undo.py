"""Puts back what a run replaced, but not over what somebody changed since."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from adapter.dataset.decide import KeepEdited
from adapter.dataset.editing import Edit, write_edits
from adapter.dataset.history import Replaced
from adapter.dataset.inputs.image_file import is_below
from adapter.dataset.ledger import Ledger
from adapter.dataset.records import Entry
from adapter.dataset.texts import text_file
from adapter.errors import InvalidRequestError, WriteError

CHUNK = 200


@dataclass
class Undone:
    """What came of it: texts that are back, texts that were changed since and stay, and texts that failed."""

    run: int
    restored: int = 0
    kept: int = 0
    failed: int = 0
    first_problem: str = ""

    def fail(self, error: WriteError) -> None:
        """Counts a text that can't be put back."""
        self.failed += 1
        self.first_problem = self.first_problem or error.message


def undo(ledger: Ledger, base: str | None, run: int | None = None, *, force: bool = False) -> Undone:
    """Puts back what the run of that number replaced, by default the last one that replaced anything.

    Names in the ledger are relative to `base`, or absolute where it is None. With `force` texts that were
    changed since are replaced too; like everything that is replaced here they can be put back in turn. Raises
    InvalidRequestError where there is no such run, and LedgerError.
    """
    runs = [past.number for past in ledger.history.runs()]
    if not runs:
        raise InvalidRequestError("Nothing was replaced here, so that there is nothing to put back")
    if run is not None and run not in runs:
        raise InvalidRequestError(
            f"Run {run} replaced nothing that is kept; --run can be {', '.join(map(str, runs))}"
        )
    undone = Undone(runs[0] if run is None else run)
    ledger.history.run = None  # what is replaced here can be put back by itself
    for chunk in _chunks(ledger.history.replaced(undone.run)):
        back = _put_back(ledger, base, chunk, undone, force=force)
        ledger.history.forget(undone.run, back)
    return undone


def _put_back(
    ledger: Ledger, base: str | None, chunk: list[Replaced], undone: Undone, *, force: bool
) -> list[str]:
    """Puts some texts back, and gives the ledger's names of those that are. Raises LedgerError."""
    known = ledger.lookup([one.output for one in chunk])
    edits, entries, back = [], [], []
    for one in chunk:
        entry = known.get(one.output)
        try:
            changed = _change(base, one, entry, force=force)
        except WriteError as error:
            undone.fail(error)
            continue
        match changed:
            case None:
                undone.kept += 1
            case Entry():
                entries.append(changed)
                back.append(one.output)
            case Edit():
                edits.append(changed)
    ledger.record(entries)
    for edit, problem in zip(edits, write_edits(ledger, edits), strict=True):
        match problem:
            case None:
                back.append(edit.output)
            case KeepEdited():
                undone.kept += 1
            case WriteError():
                undone.fail(problem)
    undone.restored += len(back)
    return back


def _change(base: str | None, one: Replaced, entry: Entry | None, *, force: bool) -> Edit | Entry | None:
    """Gives what puts a text back, in its file or in the ledger alone; None where it was changed since.

    Raises WriteError.
    """
    if base is not None and not is_below(base, one.output):
        raise WriteError("A text lies outside of the dataset")
    place = os.path.join(base or "", one.output)
    is_in_ledger = entry is not None and entry.text is not None
    now = entry.text.encode() if entry and entry.text is not None else text_file.read(place) or b""
    now_hash = text_file.content_hash(now)
    # A process that was killed may have recorded a change without making it: then the text is as it was.
    if now_hash != one.hash and now != one.text and not force:
        return None
    if entry is not None and is_in_ledger:
        text = one.text.decode("utf-8", "replace")
        return replace(entry, hash=text_file.content_hash(one.text), text=text)
    # Without a hash the text counts as somebody's own, which no run replaces unless it is told to. An edit of
    # what a run wrote counts so anyway, and once that is put back it is the run's again.
    back_hash = text_file.content_hash(one.text)
    is_edit = entry is not None and entry.hash != now_hash and entry.previous_hash != back_hash
    if entry is None or is_edit or entry.hash == back_hash:
        return Edit(place, one.output, now, one.text)
    changed = replace(entry, hash=None, previous_hash=now_hash)
    return Edit(place, one.output, now, one.text, changed)


def _chunks(replaced: Iterator[Replaced]) -> Iterator[list[Replaced]]:
    everything = list(replaced)  # before any of it is forgotten
    for start in range(0, len(everything), CHUNK):
        yield everything[start : start + CHUNK]
