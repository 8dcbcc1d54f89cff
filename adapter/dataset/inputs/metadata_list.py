"""The images that a metadata file names, as imagefolder has it: `metadata.jsonl` or `metadata.csv`."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

from adapter.dataset.inputs.image_file import FilesBelow, is_below, key_below
from adapter.dataset.inputs.input import Input
from adapter.dataset.inputs.metadata_rows import ENDINGS, MetadataFile
from adapter.dataset.inputs.share import SharedInput
from adapter.dataset.item import Item
from adapter.errors import InvalidRequestError

MAX_FOLDERS = 1000  # of which it is remembered whether they are below


class MetadataList(FilesBelow):
    """The images of the rows of `file`, below the folder that it is in, with the rows' texts where it has
    them.
    """

    is_countable = True
    is_list = False

    def __init__(self, file: MetadataFile, *, follow_links: bool = False) -> None:
        self.file = file
        self.root = os.path.dirname(file.path)
        self._follow_links = follow_links

    def check(self) -> None:
        """Reads the file to its end, because what is wrong with it is to be told before a run begins.

        Raises InvalidRequestError.
        """

        @lru_cache(MAX_FOLDERS)
        def holds_images_of(folder: str) -> bool:
            return self.holds(os.path.join(folder, "image"))

        for row in self.file.rows():
            folder = os.path.dirname(row.key)
            if folder and not holds_images_of(folder):
                raise InvalidRequestError(
                    f"{self.file.path} names images in {folder}, which leads out of its folder by a link: "
                    "--follow-links takes them all the same"
                )

    def items(self) -> Iterator[Item]:
        """Gives the rows' images in their order, an image twice where two rows name it."""
        for row in self.file.rows():
            item = self.item(row.key)
            yield item if row.text is None else replace(item, text=row.text)

    def key(self, path: str) -> str | None:
        return key_below(self.root, path)

    def holds(self, key: str) -> bool:
        """Tells only of the folder: to remember millions of names would take their memory."""
        return is_below(self.root, key, follow_links=self._follow_links)


def is_metadata(path: str) -> bool:
    """Tells whether a path that was named is that of a metadata file."""
    return path.endswith(ENDINGS) and not os.path.isdir(path)


def listed_by(found: Input) -> MetadataList | None:
    """Gives the list whose rows, or a share of them, are the input and have texts; None for any other."""
    whole = found.whole if isinstance(found, SharedInput) else found
    return whole if isinstance(whole, MetadataList) and whole.file.text_column is not None else None
