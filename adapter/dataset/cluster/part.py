"""What a run on many machines is divided into, shards or slices of a folder, and how that is captioned."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from adapter.captioner.answering import Captioner
from adapter.dataset.events import Emit
from adapter.dataset.run import Run
from adapter.settings import RunSettings


class Part(Protocol):
    """A part of what is captioned, which one worker has at a time."""

    @property
    def name(self) -> str:
        """Names it among all parts of the run."""


class Trade(Protocol):
    """How parts of one kind are captioned. It is sent to all workers."""

    def part_of(self, image: str, parts: Mapping[str, Any]) -> str:
        """Gives the name of the part to which an image belongs, by its name in events; empty where that is
        none of the `parts`, which are those known here, by their names.
        """

    def opened_run(
        self,
        settings: RunSettings,
        captioner: contextlib.AbstractAsyncContextManager[Captioner],
        emit: Emit,
        feed: Iterable[Any],
    ) -> contextlib.AbstractContextManager[Run[Any]]:
        """Opens a run over the parts of `feed`, in which each part's end is told by an event. Must be called
        where the loop runs. Raises CaptionError where this machine can't do it.
        """
