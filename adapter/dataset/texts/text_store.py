"""What every place for texts has in common."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from adapter.dataset.decide import Existing, Text
from adapter.dataset.records import Entry


@dataclass(frozen=True)
class Staged:
    """A text that is ready to be put into its absolute `place`.

    `hash` is of what will be there, `previous_hash` of what is there now, and `previous` is that itself.
    `temporary` is the file that holds the text until then; where there is none, the ledger keeps `text`.
    """

    place: str
    hash: bytes
    previous_hash: bytes | None = None
    temporary: str | None = None
    text: str | None = None
    previous: bytes | None = None


class Texts(Protocol):
    """A place for the texts of items. Methods raise WriteError where a text can't be read or written."""

    @property
    def existing(self) -> Existing:
        """What becomes of a text that is there already."""

    @property
    def overwrite_edited(self) -> bool:
        """Whether that holds for a text that was changed by hand as well."""

    def name(self, key: str, style: str) -> str:
        """Names the text of an item, of that style where the item has several."""

    def look(self, place: str, entry: Entry | None) -> Text | None:
        """Gives the text that is there, None where there is none. `entry` is what the ledger has about it."""

    def read(self, place: str, entry: Entry) -> str | None:
        """Gives what the text says, None where there is none."""

    def stage(
        self, place: str, text: str, trigger: str, seen_hash: bytes | None, marker: str = ""
    ) -> Staged | None:
        """Makes `text` safe, to be put into its place later. `marker` is the ledger's.

        Gives None where somebody changed what was there since it had `seen_hash`, and that is to stay.
        """

    def put(self, staged: Staged) -> bool:
        """Puts a staged text into its place, and tells whether it is there.

        Where somebody changed what was there since it was staged, that stays, and the staged text is given
        up.
        """

    def discard(self, staged: Staged) -> None:
        """Gives a staged text up."""

    def sync_folder(self, folder: str) -> None:
        """Makes what was put into places in the folder safe on the disk, where the file system can."""

    def folders(self, staged: Collection[Staged]) -> set[str]:
        """Gives the folders that `sync_folder` is to be called for."""
