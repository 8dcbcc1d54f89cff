"""How one face of the service differs from the others, for the middlewares that all of them share.

Each face is an application of its own: the legacy contract's is the root, the others are sub-applications of
it. Each holds its `Face`, so that nothing has to be told from the path of a request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from adapter.errors import CaptionError

ErrorBody = Callable[[CaptionError], dict[str, Any]]


@dataclass(frozen=True)
class Face:
    """One face's name, manner and rule of access.

    `label` names it in the metrics. `error_body` gives the JSON object that tells a client of an error.
    `open_handlers` answer anyone; `admits` decides about all other requests. Where it is None they must show
    the key if there is one.
    """

    label: str
    error_body: ErrorBody
    open_handlers: frozenset[Handler] = frozenset()
    admits: Callable[[web.Request], bool] | None = None


FACE = web.AppKey("face", Face)


def face_of(request: web.Request) -> Face:
    """Gives the face that a request came to, also where that face has no route for it."""
    return request.match_info.apps[-1][FACE]
