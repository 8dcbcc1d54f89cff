"""Counts the texts of a run in a thread of its own, for the estimate of the time that is left."""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator

from adapter.dataset.item import Item
from adapter.errors import CaptionError


@contextlib.contextmanager
def counting(items: Callable[[], Iterable[Item]], done: Callable[[int], None]) -> Iterator[None]:
    """Counts the items while the context lasts, and calls `done` with their number if it comes that far."""
    stop = threading.Event()

    def count() -> None:
        number = 0
        with contextlib.suppress(CaptionError):  # the run itself tells what can't be found
            for number, _ in enumerate(items(), 1):  # noqa: B007
                if stop.is_set():
                    return
            done(number)

    threading.Thread(target=count, name="count", daemon=True).start()
    try:
        yield
    finally:
        stop.set()
