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

    def fill(self, *parts: bytes) -> None:
        """Puts `parts`, one behind the other, in the place of what is in it."""
        os.ftruncate(self.descriptor, sum(map(len, parts)))
        start = 0
        for part in parts:
            view = memoryview(part)
            written = 0
            while written < len(part):
                written += os.pwrite(self.descriptor, view[written:], start + written)
            start += len(part)

    def read(self) -> bytes:
        size = os.fstat(self.descriptor).st_size
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
