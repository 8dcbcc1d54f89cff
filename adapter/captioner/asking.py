"""What is sent to an engine: the body of a request about an image, as that engine takes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from adapter.caption.request import CaptionRequest, to_arguments
from adapter.captioner.priority import Priority
from adapter.engine.endpoint import Endpoint
from adapter.engine.extra_fields import REPETITION_DETECTION, extra_fields
from adapter.engine.seat import Seat
from adapter.images.preparation import Preparation
from adapter.images.sources import ImageSource
from adapter.trace import Trace

Encode = Callable[[Mapping[str, Any]], bytes]


@dataclass
class Turn:
    """A turn at the engines: a place at one of them, and the image, None for a text alone.

    The prepared image is kept for the turn's next request, and no longer: it is large.
    """

    seat: Seat
    image: ImageSource | None
    preparation: Preparation
    trace: Trace
    priority: Priority
    _prepared: dict[str, orjson.Fragment] = field(default_factory=dict, init=False)

    async def image_url(self, endpoint: Endpoint) -> orjson.Fragment | None:
        """Gives the prepared image as a JSON string, in the form that suits the way to the engine."""
        if self.image is None:
            return None
        form: Literal["bmp", "png"] = "bmp" if endpoint.is_local else "png"
        if form not in self._prepared:
            self._prepared[form] = await self.preparation.data_url(
                self.image, form, self.trace, self.priority
            )
        return self._prepared[form]

    def forget(self) -> None:
        """Drops the prepared image."""
        self._prepared.clear()


class Asked:
    """One request of a turn. Its body is made once, unless another engine takes it in another form."""

    def __init__(self, turn: Turn, request: CaptionRequest, encode: Encode) -> None:
        self._turn = turn
        self._request = request
        self._encode = encode
        self._is_last = False
        self._form: tuple[object, ...] = ()
        self._body = b""

    async def prepare(self, *, is_last: bool) -> None:
        """Makes the body for the engine at which the turn has its place.

        After the last one of a turn the image is dropped: the body holds it now.
        """
        self._is_last = is_last
        await self.body(self._turn.seat.endpoint)

    async def body(self, endpoint: Endpoint) -> bytes:
        """Gives the request's body for this engine. Raises errors with the fault of the image."""
        form = (endpoint.model, endpoint.is_local, endpoint.takes)
        if form != self._form:
            image_url = await self._turn.image_url(endpoint)
            arguments = to_arguments(self._request, image_url, endpoint.model)
            takes = endpoint.takes if self._request.brief else endpoint.takes - {REPETITION_DETECTION}
            arguments |= extra_fields(takes, int(self._turn.priority))
            self._body, self._form = self._encode(arguments), form
            if self._is_last:
                self._turn.forget()
        return self._body
