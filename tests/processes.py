"""Processes that something here started."""

import contextlib
import os
from pathlib import Path


def descendants(process: int | None = None) -> dict[int, bytes]:
    """All that are below `process`, this one by default, with their command lines (NUL after each word)."""
    found: dict[int, bytes] = {}
    parents = [process or os.getpid()]
    while parents:
        for task in Path(f"/proc/{parents.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):  # gone by now
                for child in map(int, task.read_text().split()):
                    found[child] = Path(f"/proc/{child}/cmdline").read_bytes()
                    parents.append(child)
    return found
