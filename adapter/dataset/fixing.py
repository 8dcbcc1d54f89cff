"""Takes loops and cut ends off texts that are there, so that `undo` can put them back."""

import os
import time
from dataclasses import dataclass, replace

from adapter.caption.quality import judge
from adapter.caption.repair import repaired
from adapter.dataset.history import Replaced
from adapter.dataset.judging import Read, Standard, decoded
from adapter.dataset.ledger import Ledger
from adapter.dataset.records import Entry
from adapter.dataset.texts import text_file
from adapter.errors import WriteError
from adapter.stable_hash import stable_hash

# Texts that are put into their places together: so many, or what has come in so long.
CHUNK = 100
CHUNK_S = 1.0


@dataclass(frozen=True)
class _Staged:
    path: str
    place: str
    temporary: str
    replaced: Replaced
    entry: Entry | None


class Fixer:
    """Repairs texts below the folder of `standard`. `base` is the folder whose ledger it is. Must be closed.

    `fixed` counts the texts that are in their places; `problems` has the paths of those that can't be fixed,
    and why.
    """

    def __init__(self, ledger: Ledger, base: str, standard: Standard) -> None:
        self.fixed = 0
        self.problems: list[tuple[str, str]] = []
        self._ledger = ledger
        self._base = base
        self._standard = standard
        self._staged: list[_Staged] = []
        self._staged_s = 0.0

    @property
    def dropped(self) -> int:
        """The number of texts that the history had no more room for."""
        return self._ledger.history.dropped

    def take(self, read: Read) -> bool:
        """Takes a text with flaws, and tells whether it is one that will be fixed. Raises LedgerError."""
        if read.problem:
            return False
        try:
            staged = self._stage(read)
        except WriteError as error:
            self.problems.append((read.path, error.message))
            return False
        if staged is None:
            return False
        self._staged.append(staged)
        if len(self._staged) == 1:
            self._staged_s = time.monotonic()
        if len(self._staged) >= CHUNK or time.monotonic() - self._staged_s > CHUNK_S:
            self.finish()
        return True

    def finish(self) -> None:
        """Puts the texts that were taken into their places. Raises LedgerError."""
        entries = [one.entry for one in self._staged if one.entry is not None]
        self._ledger.record(entries, (), [one.replaced for one in self._staged])
        folders = set()
        while self._staged:
            staged = self._staged.pop()
            try:
                self._put(staged)
                folders.add(os.path.dirname(staged.place))
                self.fixed += 1
            except WriteError as error:
                text_file.discard(staged.temporary)
                self.problems.append((staged.path, error.message))
        for folder in folders:
            text_file.sync_folder(folder)

    def close(self) -> None:
        """Gives up what isn't in its place."""
        for staged in self._staged:
            text_file.discard(staged.temporary)
        self._staged.clear()

    def _stage(self, read: Read) -> _Staged | None:
        """Makes the new text safe. None where it can't be repaired, or somebody has changed it meanwhile."""
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
        temporary = text_file.write_temporary(place, new, self._ledger.marker)
        return _Staged(read.path, place, temporary, Replaced(output, old, new_hash), changed)

    def _put(self, staged: _Staged) -> None:
        if text_file.read(staged.place) != staged.replaced.text:
            raise WriteError("It was changed meanwhile, and stays as it is")
        text_file.put_in_place(staged.temporary, staged.place)
