"""Puts back what a run replaced, but not over what somebody changed since."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from adapter.dataset.history import Replaced
from adapter.dataset.inputs.image_file import is_below
from adapter.dataset.ledger import Ledger
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
    for chunk in _chunks(ledger.history.replaced(undone.run)):
        back = [one.output for one in chunk if _put_back(ledger, base, one, undone, force=force)]
        ledger.history.forget(undone.run, back)
    return undone


def _put_back(ledger: Ledger, base: str | None, one: Replaced, undone: Undone, *, force: bool) -> bool:
    if base is not None and not is_below(base, one.output):
        undone.failed += 1
        undone.first_problem = undone.first_problem or "A text lies outside of the dataset"
        return False
    entry = ledger.lookup([one.output]).get(one.output)
    try:
        if entry is not None and entry.text is not None:
            now: bytes | None = entry.text.encode()
        else:
            now = text_file.read(os.path.join(base or "", one.output))
        now_hash = None if now is None else text_file.content_hash(now)
        if now_hash != one.hash and not force:
            undone.kept += 1
            return False
        new_hash = text_file.content_hash(one.text)
        replaced = [] if now is None else [Replaced(one.output, now, new_hash)]
        if entry is not None and entry.text is not None:
            text = one.text.decode("utf-8", "replace")
            ledger.record([replace(entry, hash=new_hash, text=text)])
        else:
            place = os.path.join(base or "", one.output)
            temporary = text_file.write_temporary(place, one.text, ledger.marker)
            # Without a hash the text counts as somebody's own, which no run replaces unless it is told to.
            changed = [] if entry is None else [replace(entry, hash=None, previous_hash=now_hash)]
            ledger.record(changed, (), replaced)
            text_file.put_in_place(temporary, place)
    except WriteError as error:
        undone.failed += 1
        undone.first_problem = undone.first_problem or error.message
        return False
    undone.restored += 1
    return True


def _chunks(replaced: Iterator[Replaced]) -> Iterator[list[Replaced]]:
    everything = list(replaced)  # before any of it is forgotten
    for start in range(0, len(everything), CHUNK):
        yield everything[start : start + CHUNK]
