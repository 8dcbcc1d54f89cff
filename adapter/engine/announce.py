"""Where running engines are told of, so that a dataset run finds the service's instead of starting another.

A file a service in a folder that only its user can write to.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOCKET_BY_HAND = "engine.sock"  # where launch_vllm.sh listens when a person starts it


@dataclass(frozen=True)
class RunningEngine:
    """An engine of this user's. `model` is what it was told to serve, None for the default or not known.

    `is_service`: whether a service that is alive looks after it.
    """

    url: str
    model: str | None
    is_service: bool = True


@contextlib.contextmanager
def announced(folder: Path, engine: RunningEngine) -> Iterator[None]:
    """Tells of the engine while the context lasts. Without a folder of one's own nothing is told."""
    path = folder / f"service-{os.getpid()}.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_ours(folder):
            path.write_text(json.dumps({"pid": os.getpid(), "url": engine.url, "model": engine.model}))
    except OSError:
        pass  # a convenience that no service should fail for
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def running_engines(folder: Path) -> Iterator[RunningEngine]:
    """Those of services that are alive, then one that was started by hand."""
    if not _is_ours(folder):
        return
    for path in sorted(folder.glob("service-*.json")):
        try:
            told = json.loads(path.read_bytes())
            os.kill(told["pid"], 0)
            yield RunningEngine(told["url"], told["model"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # its service was killed
    if (folder / SOCKET_BY_HAND).exists():
        yield RunningEngine(f"unix:{folder / SOCKET_BY_HAND}", None, is_service=False)


def _is_ours(folder: Path) -> bool:
    """Whether nobody else could have put something there."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    ours = status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) == 0o700
    return stat.S_ISDIR(status.st_mode) and ours
