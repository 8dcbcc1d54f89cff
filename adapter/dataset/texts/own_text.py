"""Texts that a dataset itself has about its images, in a metadata file, and which of them a run replaced.

The file stays as it is. A run's text takes such a text's place in what is written, until somebody changes it.
"""

from adapter.dataset.decide import Text
from adapter.dataset.records import WRITTEN, Entry
from adapter.dataset.texts.text_file import content_hash


def own_hash(text: str) -> bytes:
    """Gives the hash of a dataset's own text, by which the ledger knows what a run's text replaced."""
    return content_hash(text.encode())


def is_replaced(text: str | None, entry: Entry | None) -> bool:
    """Tells whether the entry's text, if it has one, stands in the place of the dataset's own `text`."""
    if entry is None or entry.state != WRITTEN or entry.text is None:
        return False
    return text is None or entry.previous_hash == own_hash(text)


def standing(text: str | None, entry: Entry | None, found: Text | None) -> Text | None:
    """Gives the text that counts as there: what was `found`, or the dataset's own."""
    return found if text is None or is_replaced(text, entry) else Text(own_hash(text))
