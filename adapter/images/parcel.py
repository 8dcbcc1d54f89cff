"""Bytes in memory that two processes share, so that no image goes through a pipe."""

import os
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Parcel:
    """An anonymous file (memfd). Each process that holds it must close it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._when_closed: Callable[[], None] | None = None

    @classmethod
    def of(cls, data: bytes) -> "Parcel":
        """Makes a parcel that holds `data`. Raises OSError where descriptors or memory are short."""
        parcel = cls(os.memfd_create("image", os.MFD_CLOEXEC))
        try:
            parcel.fill(data)
        except OSError:
            parcel.close()
            raise
        return parcel

    def fill(self, *parts: bytes) -> int:
        """Writes `parts` one after another from the start, and gives their size in bytes.

        What lies after them stays: keeping memory is cheaper than asking for it anew.
        """
        start = 0
        for part in parts:
            view = memoryview(part)
            written = 0
            while written < len(part):
                written += os.pwrite(self.descriptor, view[written:], start + written)
            start += len(part)
        return start

    def read(self, size: int | None = None) -> bytes:
        """Gives the first `size` bytes, or all of them for None. Raises ValueError where there are fewer."""
        size = os.fstat(self.descriptor).st_size if size is None else size
        data = os.pread(self.descriptor, size, 0)
        while len(data) < size:  # one call gives 2 GiB at most
            more = os.pread(self.descriptor, size - len(data), len(data))
            if not more:
                raise ValueError(f"the parcel has {len(data)} bytes and not {size}")
            data += more
        return data

    def when_closed(self, call: Callable[[], None]) -> None:
        """Has `call` called once it is closed."""
        self._when_closed = call

    def close(self) -> None:
        """Closes the descriptor; the memory goes with the last one."""
        os.close(self.descriptor)
        if self._when_closed is not None:
            self._when_closed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
