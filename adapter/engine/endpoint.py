"""One engine as its users see it."""

from dataclasses import dataclass
from typing import Protocol

from adapter.engine.client import EngineClient
from adapter.engine.status import WatchedStatus


@dataclass(frozen=True, eq=False)
class Endpoint:
    """Where an engine that is ready can be asked.

    `model` is the name that requests give; `weights` is what the model was loaded from, or its name where the
    engine doesn't tell.
    """

    client: EngineClient
    model: str
    weights: str

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, so that the size of a request doesn't matter."""
        return self.client.is_local


class Engine(Protocol):
    """An engine that is started or found, checked, and watched."""

    @property
    def status(self) -> WatchedStatus:
        """How it is."""

    @property
    def endpoint(self) -> Endpoint | None:
        """Where to ask it, None while it isn't ready."""

    async def run(self) -> None:
        """Keeps it going until cancelled, or until it is gone for good."""

    async def is_lost(self, endpoint: Endpoint) -> bool:
        """Tells whether the engine behind `endpoint` is gone; to be asked when a request to it has failed."""
