"""One engine as its users see it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from adapter.engine.client import EngineClient, ServedModel
from adapter.engine.status import WatchedStatus


@dataclass(eq=False)
class Endpoint:
    """Where an engine that is ready can be asked.

    `model` is the name that requests give; `weights` is what the model was loaded from, or its name where the
    engine doesn't tell. `takes` names those of vLLM's own fields, of `extra_fields`, that requests may have.
    `in_flight` counts those who hold it, and `holds` all who ever did.
    """

    client: EngineClient
    model: str
    weights: str
    takes: frozenset[str] = frozenset()
    in_flight: int = field(default=0, init=False)
    holds: int = field(default=0, init=False)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, so that the size of a request doesn't matter."""
        return self.client.is_local

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Counts one more request at this engine while the context lasts."""
        self.in_flight += 1
        self.holds += 1
        try:
            yield
        finally:
            self.in_flight -= 1


@dataclass(frozen=True)
class Identity:
    """What an engine is called, and where it is.

    `gpus` are the GPUs of one of our own, as CUDA_VISIBLE_DEVICES names them: none on the CPU, None where it
    takes what is there. `url` is that of one which others look after.
    """

    name: str = "engine-1"
    gpus: tuple[str, ...] | None = None
    url: str | None = None


# Gives what a model's weights are called. Raises SelfCheckError where it may not be served.
Accept = Callable[[ServedModel], str]


class Engine(Protocol):
    """An engine that is started or found, checked, and watched."""

    @property
    def identity(self) -> Identity:
        """What it is called, and where it is."""

    @property
    def status(self) -> WatchedStatus:
        """How it is."""

    @property
    def endpoint(self) -> Endpoint | None:
        """Where to ask it, None while it isn't ready."""

    async def run(self, accept: Accept) -> None:
        """Keeps it going until cancelled or gone for good. It is ready only where `accept` agrees."""

    async def is_lost(self, endpoint: Endpoint) -> bool:
        """Tells whether the engine behind `endpoint` is gone; to be asked when a request to it has failed."""

    @property
    def may_sleep(self) -> bool:
        """Whether it is there, and ours to end."""

    async def sleep(self) -> bool:
        """Ends the engine until `wake`, so that its memory is free, and tells whether that is ours to do."""

    def wake(self) -> None:
        """Starts an engine that is asleep."""
