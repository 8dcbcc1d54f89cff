"""Takes loops and cut ends off texts that are there, so that `undo` can put them back."""

import os
from dataclasses import dataclass, replace

from adapter.caption.repair import repaired
from adapter.dataset.history import Replaced
from adapter.dataset.judging import Read, Standard
from adapter.dataset.ledger import Ledger
from adapter.dataset.records import Entry
from adapter.dataset.texts import text_file
from adapter.errors import WriteError

CHUNK = 100  # texts that are made safe on the disk together


@dataclass(frozen=True)
class _Staged:
    read: Read
    place: str
    temporary: str
    replaced: Replaced
    entry: Entry | None


class Fixer:
    """Repairs texts below the folder of `standard`. `base` is the folder whose ledger it is.

    `fixed` counts the texts that are in their places; `problems` has the paths of those that can't be
    written, and why.
    """

    def __init__(self, ledger: Ledger, base: str, standard: Standard) -> None:
        self.fixed = 0
        self.problems: list[tuple[str, str]] = []
        self._ledger = ledger
        self._base = base
        self._standard = standard
        self._staged: list[_Staged] = []

    def take(self, read: Read) -> bool:
        """Takes a text with flaws, and tells whether it is one that will be fixed. Raises LedgerError."""
        text = repaired(read.text, read.flaws, self._standard.brief(read.text))
        if text is None:
            return False
        try:
            staged = self._stage(read, text)
        except WriteError as error:
            self.problems.append((read.path, error.message))
            return False
        if staged is None:
            return False
        self._staged.append(staged)
        if len(self._staged) >= CHUNK:
            self.finish()
        return True

    def finish(self) -> None:
        """Puts the texts that were taken into their places. Raises LedgerError."""
        staged, self._staged = self._staged, []
        entries = [one.entry for one in staged if one.entry is not None]
        self._ledger.record(entries, (), [one.replaced for one in staged])
        for one in staged:
            try:
                text_file.put_in_place(one.temporary, one.place)
                self.fixed += 1
            except WriteError as error:
                self.problems.append((one.read.path, error.message))

    def _stage(self, read: Read, text: str) -> _Staged | None:
        """Makes the new text safe. None where somebody has changed the old one meanwhile."""
        place = os.path.join(self._standard.root, read.path)
        old = text_file.read(place, follow_links=self._standard.follow_links)
        if old is None or old.decode("utf-8-sig", "replace").strip() != read.text:
            return None
        new = text.encode()
        output = os.path.relpath(place, self._base)
        old_hash, new_hash = text_file.content_hash(old), text_file.content_hash(new)
        entry = self._ledger.lookup([output]).get(output)
        # A text that a run wrote stays that run's, and one that was changed by hand its owner's.
        is_ours = entry is not None and entry.hash == old_hash
        changed = replace(entry, hash=new_hash, previous_hash=old_hash) if entry and is_ours else None
        temporary = text_file.write_temporary(place, new, self._ledger.marker)
        return _Staged(read, place, temporary, Replaced(output, old, new_hash), changed)
