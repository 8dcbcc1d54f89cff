"""Announces running engines, so that a dataset run finds the service's instead of starting others.

Each engine has a file in a folder that only its user can write to.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapter.engine.client import EngineClient
from adapter.engine.private_folder import is_private
from adapter.engine_settings import EngineSettings

SOCKET_BY_HAND = "engine.sock"  # where launch_vllm.sh listens when a person starts it
HEALTH_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class RunningEngine:
    """An engine of this user's.

    `model` is what it was told to serve, None for the default or where that is unknown. `service` is the
    process that looks after it, None where a person does.
    """

    url: str
    model: str | None
    service: int | None = None


@contextlib.contextmanager
def announced(folder: Path, engine: RunningEngine, name: str = "engine-1") -> Iterator[None]:
    """Announces this process's engine of that name while the context lasts.

    It doesn't where somebody else could write to the folder.
    """
    path = folder / f"service-{os.getpid()}-{name}.json"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_private(folder):
            told = {
                "pid": os.getpid(),
                "began": _began(os.getpid()),
                "url": engine.url,
                "model": engine.model,
            }
            path.write_text(json.dumps(told))
    except OSError:
        pass  # a convenience that no service should fail for
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


def running_engines(folder: Path) -> Iterator[RunningEngine]:
    """Gives the engines of services that are alive, then one that was started by hand."""
    if not is_private(folder):
        return
    for path in sorted(folder.glob("service-*.json")):
        try:
            told = json.loads(path.read_bytes())
            os.kill(told["pid"], 0)
            if told.get("began") != _began(told["pid"]):
                continue  # its service is gone, and another program has its number now
            yield RunningEngine(told["url"], told["model"], told["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # its service was killed
    if (folder / SOCKET_BY_HAND).exists():
        yield RunningEngine(f"unix:{folder / SOCKET_BY_HAND}", None)


async def find_engines(settings: EngineSettings) -> tuple[str, ...]:
    """Gives the URLs of the engines to use: those that are named, a running service's, or one started by
    hand.

    A running engine counts where it serves the model that is asked for, or none is.
    """
    if settings.engine_urls:
        return settings.engine_urls
    fitting = [
        engine
        for engine in running_engines(settings.run_dir)
        if settings.model is None or settings.model == engine.model
    ]
    for first in fitting:
        if first.service is not None:
            # Even while it loads or sleeps it counts: only a service that is alive announces its engines.
            return tuple(engine.url for engine in fitting if engine.service == first.service)
        client = EngineClient(first.url, HEALTH_TIMEOUT_S)
        try:
            if await client.healthy(HEALTH_TIMEOUT_S):
                return (first.url,)
        finally:
            await client.close()
    return ()


def _began(process: int) -> str:
    """Gives when a process began, in ticks since the machine's start."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
