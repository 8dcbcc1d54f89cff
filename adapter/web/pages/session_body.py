"""The bodies of the requests that are about the page as a whole: its session, and the engine."""

from typing import Literal

from adapter.web.wire import WireModel


class SessionBody(WireModel):
    """The body of `POST /api/session`: the link's token, or the key."""

    secret: str


class EngineBody(WireModel):
    """The body of `POST /api/engine`. `force` ends what is under way."""

    action: Literal["start", "release", "stop"]
    force: bool = False
