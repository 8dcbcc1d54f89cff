"""Takes loops and cut ends off texts that are there, so that `undo` can put them back."""

import os
import time
from dataclasses import replace

from adapter.caption.quality import judge
from adapter.caption.repair import repaired
from adapter.dataset.decide import KeepEdited
from adapter.dataset.editing import Edit, write_edits
from adapter.dataset.judging import Read, Standard, decoded
from adapter.dataset.ledger import Ledger
from adapter.dataset.texts import text_file
from adapter.errors import WriteError
from adapter.stable_hash import stable_hash

# Texts that are put into their places together: so many, or what has come in so long.
CHUNK = 100
CHUNK_S = 1.0


class Fixer:
    """Repairs texts below the folder of `standard`. `base` is the folder whose ledger it is.

    `fixed` counts the texts that are in their places; `problems` has the paths of those that can't be fixed,
    and why.
    """

    def __init__(self, ledger: Ledger, base: str, standard: Standard) -> None:
        self.fixed = 0
        self.problems: list[tuple[str, str]] = []
        self._ledger = ledger
        self._base = base
        self._standard = standard
        self._taken: list[tuple[str, Edit]] = []
        self._taken_s = 0.0

    @property
    def dropped(self) -> int:
        """The number of texts that the history had no more room for."""
        return self._ledger.history.dropped

    def take(self, read: Read) -> bool:
        """Takes a text with flaws, and tells whether it is one that will be fixed. Raises LedgerError."""
        if read.problem:
            return False
        try:
            edit = self._edit(read)
        except WriteError as error:
            self.problems.append((read.path, error.message))
            return False
        if edit is None:
            return False
        self._taken.append((read.path, edit))
        if len(self._taken) == 1:
            self._taken_s = time.monotonic()
        if len(self._taken) >= CHUNK or time.monotonic() - self._taken_s > CHUNK_S:
            self.finish()
        return True

    def finish(self) -> None:
        """Puts the texts that were taken into their places. Raises LedgerError."""
        taken, self._taken = self._taken, []
        outcomes = write_edits(self._ledger, [edit for _, edit in taken])
        for (path, _), error in zip(taken, outcomes, strict=True):
            if error is None:
                self.fixed += 1
            elif isinstance(error, KeepEdited):
                self.problems.append((path, "It was changed meanwhile, and stays as it is"))
            else:
                self.problems.append((path, error.message))

    def _edit(self, read: Read) -> Edit | None:
        """Gives the change. None where it can't be repaired, or somebody has changed it meanwhile."""
        place = os.path.join(self._standard.root, read.path)
        if os.path.islink(place):
            raise WriteError("It is a link: fix what it leads to")
        old = text_file.read(place)
        text = None if old is None else decoded(old)
        if old is None or text is None or stable_hash(text) != read.digest:
            return None
        brief = self._standard.brief(text)
        mended = repaired(text, judge(text, brief), brief)
        if mended is None:
            return None
        new = mended.encode()
        output = os.path.relpath(place, self._base)
        old_hash, new_hash = text_file.content_hash(old), text_file.content_hash(new)
        entry = self._ledger.lookup([output]).get(output)
        # A text that a run wrote stays that run's, and one that was changed by hand its owner's.
        is_ours = entry is not None and entry.hash == old_hash
        changed = replace(entry, hash=new_hash, previous_hash=old_hash) if entry and is_ours else None
        return Edit(place, output, old, new, changed)
