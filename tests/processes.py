"""Finds the processes that a test started."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


def descendants() -> dict[int, bytes]:
    """Gives all processes below this one, with their command lines (NUL after each word)."""
    found: dict[int, bytes] = {}
    for process in below(os.getpid()):
        with contextlib.suppress(OSError):  # it has ended by now
            found[process] = Path(f"/proc/{process}/cmdline").read_bytes()
    return found


def children() -> dict[int, bytes]:
    """Gives the processes that this one started itself, with their command lines (NUL after each word)."""
    found = descendants()
    parents = {pid: Path(f"/proc/{pid}/stat") for pid in found}
    own = set()
    for pid, stat in parents.items():
        with contextlib.suppress(OSError):  # it has ended by now
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                own.add(pid)
    return {pid: command for pid, command in found.items() if pid in own}


def below(process: int) -> Iterator[int]:
    """Yields all processes below a process."""
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:  # it has ended by now
            continue
        for child in children:
            yield child
            yield from below(child)
