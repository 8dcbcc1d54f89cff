"""Texts that only the ledger keeps, for datasets without sidecars."""

from collections.abc import Collection
from dataclasses import dataclass

from adapter.dataset.decide import Existing, Text
from adapter.dataset.records import Entry
from adapter.dataset.texts.text_file import content_hash
from adapter.dataset.texts.text_store import Staged


@dataclass(frozen=True)
class TextsInLedger:
    """Texts whose place is the ledger's entry, written together with it."""

    existing: Existing = Existing.SKIP
    overwrite_edited: bool = False

    def name(self, key: str, style: str) -> str:
        return f"{key}.{style}" if style else key

    def look(self, place: str, entry: Entry | None) -> Text | None:
        return None if entry is None or entry.text is None else Text(entry.hash)

    def read(self, place: str, entry: Entry) -> str | None:
        return entry.text

    def stage(
        self, place: str, text: str, trigger: str, seen_hash: bytes | None, marker: str = ""
    ) -> Staged | None:
        return Staged(place, content_hash(text.encode()), text=text)

    def put(self, staged: Staged) -> bool:
        """Does nothing: the ledger's entry holds the text already."""
        return True

    def discard(self, staged: Staged) -> None:
        """Does nothing: without the entry there is no text."""

    def sync_folder(self, folder: str) -> None:
        """Does nothing: the ledger makes itself safe."""

    def folders(self, staged: Collection[Staged]) -> set[str]:
        return set()
