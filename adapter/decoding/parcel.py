"""Bytes in memory that two processes share, so that no image goes through a pipe."""

import os
from types import TracebackType
from typing import Self


class Parcel:
    """An anonymous file (memfd). To be closed by each process that holds it."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def of(cls, data: bytes) -> "Parcel":
        """A new one. May raise OSError: the machine is short of descriptors or memory."""
        parcel = cls(os.memfd_create("image", os.MFD_CLOEXEC))
        try:
            parcel.fill(data)
        except OSError:
            parcel.close()
            raise
        return parcel

    def fill(self, *parts: bytes) -> int:
        """Puts `parts`, one behind the other, over what is in it; gives their size in bytes.

        What is behind them stays: memory that is kept is cheaper than memory that is taken anew.
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
        """The first `size` bytes, None for all."""
        size = os.fstat(self.descriptor).st_size if size is None else size
        data = os.pread(self.descriptor, size, 0)
        while len(data) < size:  # one call gives 2 GiB at most
            data += os.pread(self.descriptor, size - len(data), len(data))
        return data

    def close(self) -> None:
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
