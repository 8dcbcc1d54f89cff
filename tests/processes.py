"""Processes that something here started."""

import contextlib
import os
from pathlib import Path

from bench.stage import processes_of


def descendants() -> dict[int, bytes]:
    """All that are below this process, with their command lines (NUL after each word)."""
    found: dict[int, bytes] = {}
    for process in processes_of(os.getpid()):
        with contextlib.suppress(OSError):  # gone by now
            found[process] = Path(f"/proc/{process}/cmdline").read_bytes()
    del found[os.getpid()]
    return found
