"""Announces running engines, so that a dataset run finds the service's instead of starting another.

Each service has a file in a folder that only its user can write to.
"""

import contextlib
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapter.engine.client import EngineClient
from adapter.settings import EngineSettings

SOCKET_BY_HAND = "engine.sock"  # where launch_vllm.sh listens when a person starts it
HEALTH_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class RunningEngine:
    """An engine of this user's.

    `model` is what it was told to serve, None for the default or where that is unknown. `is_service` tells
    whether a service that is alive looks after it.
    """

    url: str
    model: str | None
    is_service: bool = True


@contextlib.contextmanager
def announced(folder: Path, engine: RunningEngine) -> Iterator[None]:
    """Announces the engine while the context lasts, unless somebody else could write to the folder."""
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
    """Gives the engines of services that are alive, then one that was started by hand."""
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


async def find_engine(settings: EngineSettings) -> str | None:
    """Gives the URL of the engine to use: the one that is named, or one that runs; None where there is none.

    A running engine counts where it serves the model that is asked for, or none is.
    """
    if settings.engine_url:
        return settings.engine_url
    for engine in running_engines(settings.run_dir):
        if settings.model not in (None, engine.model):
            continue
        client = EngineClient(engine.url, HEALTH_TIMEOUT_S)
        try:
            # An engine that is loading answers soon: its service is alive, or it wouldn't be announced.
            if engine.is_service or await client.healthy(HEALTH_TIMEOUT_S):
                return engine.url
        finally:
            await client.close()
    return None


def _is_ours(folder: Path) -> bool:
    """Tells whether nobody else could have put something there."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    ours = status.st_uid == os.getuid() and stat.S_IMODE(status.st_mode) == 0o700
    return stat.S_ISDIR(status.st_mode) and ours
