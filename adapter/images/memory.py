"""A limit for the memory that files take together while they wait to be decoded. For threads."""

import contextlib
import threading
from collections.abc import Iterator


class Reservation:
    """What one file has reserved."""

    def __init__(self, memory: "Memory") -> None:
        self._memory = memory
        self.bytes = 0

    def more(self, more_bytes: int) -> None:
        """Waits until there is room for so many bytes more."""
        self._memory.take(more_bytes)
        self.bytes += more_bytes


class Memory:
    """Room for `max_bytes`. A single file has room whatever its size."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._taken_bytes = 0
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def reserved(self) -> Iterator[Reservation]:
        """Gives a reservation of nothing, to be added to. It is given back with the context."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            with self._changed:
                self._taken_bytes -= reservation.bytes
                self._changed.notify_all()

    def take(self, more_bytes: int) -> None:
        """Waits until there is room for so many bytes, and takes it."""
        with self._changed:
            self._changed.wait_for(
                lambda: not self._taken_bytes or self._taken_bytes + more_bytes <= self._max_bytes
            )
            self._taken_bytes += more_bytes
