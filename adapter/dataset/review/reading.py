"""Reads texts, judges them, and finds out who wrote them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from adapter.caption.brief import Brief
from adapter.caption.flaws import Form
from adapter.caption.quality import judge
from adapter.caption.text_form import guess_form, tags_of
from adapter.dataset.accepted import accepted_hashes
from adapter.dataset.clip_length import clip_tokens
from adapter.dataset.judging import decoded
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.review.item_filter import State
from adapter.dataset.review.sightings import ReadText
from adapter.dataset.selection import Dataset
from adapter.dataset.texts import text_file
from adapter.errors import WriteError


@dataclass(frozen=True)
class Reader:
    """Reads the texts of a dataset below the folder `root`. Where its ledger can't be read it is None."""

    root: str
    dataset: Dataset | None = field(repr=False)

    def read(self, paths: Sequence[str]) -> list[ReadText]:
        """Gives what is in these texts, by their paths below the root. Raises LedgerError."""
        known: dict[str, Entry] = {}
        accepted: dict[str, bytes] = {}
        names = {path: path for path in paths}
        if self.dataset is not None:
            names = {path: self.dataset.name(path) for path in paths}
            known = self.dataset.lookup(list(names.values()), nearby=True)
            accepted = accepted_hashes(self.dataset.ledger, list(names.values()))
        return [self._read(path, known.get(names[path]), accepted.get(names[path])) for path in paths]

    def _read(self, path: str, entry: Entry | None, accepted: bytes | None) -> ReadText:
        place = os.path.join(self.root, path)
        try:
            status = os.lstat(place)
        except OSError:
            return ReadText(path, -1, -1)
        read = ReadText(path, status.st_size, status.st_mtime_ns)
        try:
            content = text_file.read(place)
        except WriteError as error:
            return ReadText(path, read.size, read.mtime_ns, problem=error.message)
        if content is None:
            return read
        return _judged(read, content, entry, accepted)


def _judged(read: ReadText, content: bytes, entry: Entry | None, accepted: bytes | None) -> ReadText:
    text = decoded(content)
    form = guess_form(text)
    flaws = judge(text, Brief(form))
    digest = text_file.content_hash(content)
    state = State.FOUND
    if entry is not None and entry.state == WRITTEN:
        state = State.WRITTEN if entry.hash == digest else State.EDITED
    tags = ",".join(tag for tag, _, _ in tags_of(text)) if form is Form.TAGS else ""
    return ReadText(
        read.path,
        read.size,
        read.mtime_ns,
        hash=digest,
        text=text,
        tags=f",{tags}," if tags else "",
        state=state.value,
        flaws=" ".join(flaw.kind.value for flaw in flaws),
        weight=max((1 + flaw.is_hard for flaw in flaws), default=0),
        is_accepted=accepted == digest,
        clip_tokens=clip_tokens(text),
    )
