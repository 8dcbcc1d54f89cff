"""Which texts are being made. The thread that plans and the loop that writes share it."""

import threading


class Claims:
    """The absolute places of texts that are being made, each with the place of its image."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._images: dict[str, str] = {}

    def claim(self, place: str, image: str) -> None:
        """Notes that the text at `place` is being made for `image`."""
        with self._lock:
            self._images[place] = image

    def image_of(self, place: str) -> str | None:
        """Gives the image whose text at `place` is being made, None where none is."""
        with self._lock:
            return self._images.get(place)

    def release(self, place: str) -> None:
        """Notes that the text at `place` is made, or given up."""
        with self._lock:
            self._images.pop(place, None)
