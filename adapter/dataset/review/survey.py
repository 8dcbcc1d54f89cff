"""Finds the images of a folder, each with the texts beside it: `cat.txt`, `cat.booru.txt`, `cat.png.txt`."""

import contextlib
import os
import stat
from collections import OrderedDict
from collections.abc import Iterator

from adapter.dataset.inputs.folder import find_images
from adapter.dataset.review.sightings import SeenItem, SeenText
from adapter.images.image_name import is_image_name

MAX_FOLDERS = 64  # that are remembered: the walk comes back to a folder after those below it

Names = dict[str, list[tuple[str, str]]]  # by an image's name or stem: the style and name of each text


class Survey:
    """Looks through the absolute folder `root`. Texts are files whose names end in `extension`."""

    def __init__(self, root: str, extension: str = ".txt") -> None:
        self._root = root
        self._extension = extension
        self._listed: OrderedDict[str, _Listing] = OrderedDict()

    def items(self) -> Iterator[SeenItem]:
        """Gives all images. Raises InvalidRequestError where the folder can't be read."""
        for key in find_images(self._root):
            if (item := self.item(key)) is not None:
                yield item

    def item(self, key: str) -> SeenItem | None:
        """Gives one image, None where it is gone. A folder is listed once, when it is first asked for."""
        folder, name = os.path.split(key)
        size = _size(os.path.join(self._root, key), follow_link=True)
        if size is None:
            return None
        seen = ((style, text, self._text_size(text)) for style, text in self._texts(folder, name))
        return SeenItem(
            key, *size, tuple(SeenText(style, text, *size) for style, text, size in seen if size is not None)
        )

    def is_text_of(self, key: str, path: str) -> bool:
        """Tells whether a text at `path` would be one of the image's, and not of another image there."""
        folder, name = os.path.split(key)
        owner = self._listing(folder).owner(os.path.basename(path)[: -len(self._extension)])
        return os.path.dirname(path) == folder and owner in (name, os.path.splitext(name)[0])

    def _texts(self, folder: str, name: str) -> list[tuple[str, str]]:
        """Gives the style and path of each text of an image."""
        texts = self._listing(folder).texts
        found: dict[str, str] = {}
        stem, extension = os.path.splitext(name)
        for style, text in texts.get(stem, []):
            found[style] = text
        for style, text in texts.get(name, []):
            # Beside `cat.txt`, `cat.png.txt` is another text of `cat.png`.
            found.setdefault(style if style not in found else f"{extension[1:]}.{style}".rstrip("."), text)
        return [(style, os.path.join(folder, text)) for style, text in sorted(found.items())]

    def _listing(self, folder: str) -> "_Listing":
        if folder not in self._listed:
            self._listed[folder] = _Listing(os.path.join(self._root, folder), self._extension)
            if len(self._listed) > MAX_FOLDERS:
                self._listed.popitem(last=False)
        return self._listed[folder]

    def _text_size(self, path: str) -> tuple[int, int] | None:
        return _size(os.path.join(self._root, path), follow_link=False)


class _Listing:
    """The names of a folder's texts, by whose they are."""

    def __init__(self, folder: str, extension: str) -> None:
        self.texts: Names = {}
        try:
            names = [name for name in os.listdir(folder) if not name.startswith(".")]
        except OSError:
            names = []  # taken away meanwhile
        bases = [name[: -len(extension)] for name in names if name.endswith(extension)]
        images = [name for name in names if not name.endswith(extension) and is_image_name(name)]
        self._owners = {*images, *(os.path.splitext(name)[0] for name in images)}
        for base in sorted(bases):
            owner = self.owner(base)
            if owner is not None:
                # Two dots leave no style between them.
                style = "" if owner == base else base[len(owner) + 1 :] or "."
                self.texts.setdefault(owner, []).append((style, base + extension))

    def owner(self, base: str) -> str | None:
        """Gives the name or stem of the image that a text belongs to: the longest one there is."""
        while base not in self._owners:
            base, dot, _ = base.rpartition(".")
            if not dot:
                return None
        return base


def _size(path: str, *, follow_link: bool) -> tuple[int, int] | None:
    """Gives the size and time of a file: of a link itself, or of what it leads to, if there is that."""
    for look in (os.stat, os.lstat) if follow_link else (os.lstat,):
        with contextlib.suppress(OSError):
            status = look(path)
            return None if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
    return None
