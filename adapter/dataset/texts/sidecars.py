"""Text files beside the images: their names, and what becomes of a text that is there."""

import os
from collections.abc import Collection
from dataclasses import dataclass

from adapter.caption.trigger import with_trigger, without_trigger
from adapter.dataset.decide import Existing, Text
from adapter.dataset.records import Entry
from adapter.dataset.texts import text_file
from adapter.dataset.texts.text_store import Staged
from adapter.errors import InvalidRequestError, WriteError
from adapter.images.pixels import EXTENSIONS

SENTENCE_END = (".", "!", "?", ":", ";", ",", "\n")


@dataclass(frozen=True)
class Sidecars:
    """Text files with the image's name: `a.txt` for `a.png`, or `a.png.txt` with `full_name`.

    `extension` is what the files' names end in.
    """

    existing: Existing = Existing.SKIP
    extension: str = ".txt"
    full_name: bool = False
    overwrite_edited: bool = False
    follow_links: bool = False

    def __post_init__(self) -> None:
        """Raises InvalidRequestError where the texts would take the images' own places."""
        if self.extension.lower().endswith(tuple(EXTENSIONS)):
            raise InvalidRequestError(f"Texts can't end in {self.extension}: images do", "extension")

    def name(self, key: str, style: str) -> str:
        stem = key if self.full_name else os.path.splitext(key)[0]
        return f"{stem}.{style}{self.extension}" if style else stem + self.extension

    def look(self, place: str, entry: Entry | None) -> Text | None:
        if not text_file.has_text(place, follow_links=self.follow_links):
            return None
        if self.existing is Existing.SKIP:
            return Text()  # whatever it says
        content = self._content(place)
        return Text(None if content is None else text_file.content_hash(content))

    def read(self, place: str, entry: Entry) -> str | None:
        content = self._content(place)
        return None if content is None else content.decode("utf-8", "replace").strip()

    def stage(
        self, place: str, text: str, trigger: str, seen_hash: bytes | None, marker: str = ""
    ) -> Staged | None:
        existing = self._content(place)
        now = None if existing is None else text_file.content_hash(existing)
        if now != seen_hash and not self.overwrite_edited:
            return None
        content = combined(existing, text, self.existing, trigger)
        temporary = text_file.write_temporary(place, content, marker)
        return Staged(place, text_file.content_hash(content), now, temporary, previous=existing)

    def put(self, staged: Staged) -> bool:
        assert staged.temporary is not None
        try:
            # Also with `overwrite_edited`: what was written since it was staged is in no history.
            is_as_seen = self._content(staged.place) == staged.previous
        except WriteError:
            self.discard(staged)
            raise
        if is_as_seen:
            text_file.put_in_place(staged.temporary, staged.place)
        else:
            self.discard(staged)
        return is_as_seen

    def discard(self, staged: Staged) -> None:
        assert staged.temporary is not None
        text_file.discard(staged.temporary)

    def sync_folder(self, folder: str) -> None:
        text_file.sync_folder(folder)

    def _content(self, place: str) -> bytes | None:
        return text_file.read(place, follow_links=self.follow_links)

    def folders(self, staged: Collection[Staged]) -> set[str]:
        return {os.path.dirname(one.place) for one in staged}


def combined(existing: bytes | None, text: str, how: Existing, trigger: str) -> bytes:
    """Gives a text's new content. Beside an existing text the trigger still stands first, and once."""
    new = text.encode()
    if existing is None or how not in (Existing.APPEND, Existing.PREPEND):
        return new
    old = existing.decode("utf-8", "surrogateescape").strip()
    parts = [without_trigger(old, trigger), without_trigger(text, trigger)]
    if how is Existing.PREPEND:
        parts.reverse()
    first, second = parts
    if first and second:
        first += " " if first.endswith(SENTENCE_END) else ", "
    return with_trigger(first + second, trigger).encode("utf-8", "surrogateescape")
