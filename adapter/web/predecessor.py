"""What listens on the service's address already: another start of the same service, or something else.

Whoever starts a service that runs wants it to run, and AI-Toolkit's UI has no button for one that has given
up.
"""

import errno
import http.client
import json
import logging
import socket
import time
from enum import StrEnum
from typing import Any

from adapter.errors import SettingsError

ANSWER_S = 5.0
END_S = 30.0  # for a service that was told to end: requests under way, and the engine
POLL_S = 0.1
MAX_ANSWER_BYTES = 2**16
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what one listens on isn't where one asks

log = logging.getLogger("adapter.web")


class Predecessor(StrEnum):
    """A service of ours that serves or soon will, one that had given up and is ended now, or any other."""

    WELL = "well"
    ENDED = "ended"
    FOREIGN = "foreign"


def is_taken(error: BaseException | None) -> bool:
    """Tells whether what can't be listened on is in use."""
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE


def unavailable(host: str, port: int, error: OSError | UnicodeError) -> SettingsError:
    """Gives the error of an address that can't be listened on. It is to be raised from `error`.

    A UnicodeError is what Python raises about a name that no host can have.
    """
    why = error.strerror if isinstance(error, OSError) else "That is no host's name"
    return SettingsError(
        f"can't listen on {host}:{port}: {why}. "
        "Choose another with --host and --port, or end what listens there"
    )


def settle(host: str, port: int) -> Predecessor:
    """Finds out what listens there, and ends a service of ours that has given up.

    No key is shown, because anybody may listen there. So one that wants a key counts as well once it says
    that it captions, and as foreign before.
    """
    host = ANYWHERE.get(host, host)
    told = _ask(host, port, "GET", "/health")
    if told.get("status") != "healthy" or not isinstance(told.get("model_loaded"), bool):
        return Predecessor.FOREIGN
    engine = told.get("engine")
    if engine == "failed":
        log.warning("the service on port %s has given up (%s): it is replaced", port, _reason(told))
        if _ask(host, port, "POST", "/shutdown").get("status") == "shutting_down" and _has_gone(host, port):
            return Predecessor.ENDED
        return Predecessor.FOREIGN
    is_well = told["model_loaded"] or isinstance(engine, str)
    return Predecessor.WELL if is_well else Predecessor.FOREIGN


def _ask(host: str, port: int, method: str, path: str) -> dict[str, Any]:
    """Gives the JSON object that is answered, an empty one for anything else."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request(method, path)
        told = json.loads(connection.getresponse().read(MAX_ANSWER_BYTES))
    except (OSError, http.client.HTTPException, ValueError, RecursionError):
        return {}
    finally:
        connection.close()
    return told if isinstance(told, dict) else {}


def _has_gone(host: str, port: int) -> bool:
    """Waits until nobody listens there any more."""
    ends = time.monotonic() + END_S
    while time.monotonic() < ends:
        try:
            socket.create_connection((host, port), ANSWER_S).close()
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        time.sleep(POLL_S)
    return False


def _reason(told: dict[str, Any]) -> str:
    progress = told.get("loading_progress")
    message = progress.get("message") if isinstance(progress, dict) else None
    return message if isinstance(message, str) else "nobody knows why"
