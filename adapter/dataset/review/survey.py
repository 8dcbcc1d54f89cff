"""Finds the images of a folder, each with the texts beside it: `cat.txt`, `cat.booru.txt`, `cat.png.txt`."""

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator

from adapter.dataset.inputs.folder import find_images
from adapter.dataset.review.sightings import SeenItem, SeenText
from adapter.images.pixels import EXTENSIONS

MAX_FOLDERS = 64  # that are remembered: the walk comes back to a folder after those below it

Sizes = dict[str, tuple[int, int]]  # by name: a file's size and time
Texts = dict[str, list[tuple[str, str]]]  # by an image's name or stem: the style and name of each text


class Survey:
    """Looks through the absolute folder `root`. Texts are files whose names end in `extension`."""

    def __init__(self, root: str, extension: str = ".txt") -> None:
        self._root = root
        self._extension = extension
        self._listed: OrderedDict[str, tuple[Sizes, Texts]] = OrderedDict()

    def items(self) -> Iterator[SeenItem]:
        """Gives all images. Raises InvalidRequestError where the folder can't be read."""
        for key in find_images(self._root):
            if (item := self._item(key)) is not None:
                yield item

    def item(self, key: str) -> SeenItem | None:
        """Gives one image as it is now, None where it is gone."""
        self._listed.pop(os.path.dirname(key), None)
        return self._item(key)

    def _item(self, key: str) -> SeenItem | None:
        folder, name = os.path.split(key)
        if folder not in self._listed:
            self._listed[folder] = self._list(folder)
            if len(self._listed) > MAX_FOLDERS:
                self._listed.popitem(last=False)
        sizes, texts = self._listed[folder]
        if name not in sizes:
            return None
        found: dict[str, str] = {}
        stem, extension = os.path.splitext(name)
        for style, text in texts.get(stem, []):
            found[style] = text
        for style, text in texts.get(name, []):
            # Beside `cat.txt`, `cat.png.txt` is another text of `cat.png`.
            found.setdefault(style if style not in found else f"{extension[1:]}.{style}".rstrip("."), text)
        return SeenItem(
            key,
            *sizes[name],
            tuple(
                SeenText(style, os.path.join(folder, text), *sizes[text])
                for style, text in sorted(found.items())
            ),
        )

    def _list(self, folder: str) -> tuple[Sizes, Texts]:
        sizes: Sizes = {}
        try:
            with os.scandir(os.path.join(self._root, folder)) as entries:
                for entry in entries:
                    lower = entry.name.lower()
                    if lower.endswith(self._extension) or os.path.splitext(lower)[1] in EXTENSIONS:
                        seen = None if entry.name.startswith(".") else _size(entry, self._is_text(entry.name))
                        if seen is not None:
                            sizes[entry.name] = seen
        except OSError:
            return {}, {}  # taken away meanwhile
        owners = set(sizes) | {os.path.splitext(name)[0] for name in sizes if not self._is_text(name)}
        texts: Texts = {}
        for name in sizes:
            if self._is_text(name):
                base = name[: -len(self._extension)]
                owner, style = (base, "") if base in owners else os.path.splitext(base)
                texts.setdefault(owner, []).append((style.removeprefix("."), name))
        return sizes, texts

    def _is_text(self, name: str) -> bool:
        return name.endswith(self._extension)


def _size(entry: "os.DirEntry[str]", is_text: bool) -> tuple[int, int] | None:
    """Gives the size and time of a file: of an image's link, of what it leads to, if there is that."""
    try:
        is_followed = entry.is_symlink() and not is_text and os.path.exists(entry.path)
        status = entry.stat(follow_symlinks=is_followed)
    except OSError:
        return None
    return None if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
