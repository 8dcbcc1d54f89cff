"""Which texts are being made. The thread that plans and the loop that writes share it."""

import os
import threading
from functools import lru_cache


class Claims:
    """The absolute places of texts that are being made, each with the place of its image.

    Where a file system takes `a.txt` and `A.txt` for one file, so do the claims.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images: dict[str, str] = {}

    def claim(self, place: str, image: str) -> None:
        """Notes that the text at `place` is being made for `image`."""
        with self._lock:
            self._images[_one_name(place)] = image

    def image_of(self, place: str) -> str | None:
        """Gives the image whose text at `place` is being made, None where none is."""
        with self._lock:
            return self._images.get(_one_name(place))

    def release(self, place: str) -> None:
        """Notes that the text at `place` is made, or given up."""
        with self._lock:
            self._images.pop(_one_name(place), None)


def _one_name(place: str) -> str:
    """Gives the one name of all that mean the file at `place`."""
    folder, name = os.path.split(place)
    return os.path.join(folder, name.casefold()) if ignores_case(folder) else place


@lru_cache(maxsize=1024)
def ignores_case(folder: str) -> bool:
    """Tells whether the folder's file system ignores case, as far as its own name tells."""
    above, name = os.path.split(folder)
    other = name.swapcase()
    try:
        return other != name and os.path.samefile(folder, os.path.join(above, other))
    except OSError:
        return False
