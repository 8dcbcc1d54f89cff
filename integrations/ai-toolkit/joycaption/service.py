"""The captioning service as a job sees it: requests by the standard library, and errors in words."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from .job_error import JobError, OptionError, RefusedError, ServiceAbsentError

ANSWER_S = 20.0  # for a question that needs no engine
RELEASE_S = 120.0  # the service waits for the GPU's memory to be free
MAX_ANSWER_BYTES = 2**26
MAX_WAIT_S = 30.0  # the longest pause that a service may ask for

Json = dict[str, Any]


class Service:
    """The service at `url`. Requests show `key` where there is one.

    Threads may share it. `hang_up` ends all requests under way, which then raise ServiceAbsentError.
    """

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        try:
            host, self.port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise OptionError(f"service_url has no valid port: {url}") from error
        if parts.scheme not in ("http", "https") or not host:
            raise OptionError(f"service_url must be like http://127.0.0.1:5000, not {url}")
        self.host = host
        self._is_secure = parts.scheme == "https"
        self._path = parts.path
        self._key = key
        self._open: set[http.client.HTTPConnection] = set()
        self._lock = threading.Lock()
        self._is_over = False

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        if self.host == "localhost":
            return True
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Json | None = None,
        *,
        secret: str | None = None,
        limit_s: float = ANSWER_S,
    ) -> Json:
        """Gives the JSON object of an answer. `secret` takes the key's place; `limit_s` is per silence.

        Raises RefusedError, and ServiceAbsentError where there is no whole answer.
        """
        headers = {"Connection": "close"}
        if shown_secret := self._key if secret is None else secret:
            headers["Authorization"] = f"Bearer {shown_secret}"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        if data is not None:
            headers["Content-Type"] = "application/json"
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=min(limit_s, ANSWER_S))
        try:
            with self._held(connection, limit_s):
                connection.request(method, self._path + path, data, headers)
                response = connection.getresponse()
                content = response.read(MAX_ANSWER_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise ServiceAbsentError(f"The service at {self.url} doesn't answer: {reason}") from error
        return _object(content, response, self.url)

    def hang_up(self) -> None:
        """Ends all requests under way, and those that are begun later."""
        with self._lock:
            self._is_over = True
            for connection in self._open:
                _shut(connection)

    def answers(self) -> bool:
        """Tells whether the service is there. Raises JobError where something else is."""
        try:
            health = self.ask("GET", "/health")
        except ServiceAbsentError:
            return False
        except RefusedError as error:
            raise JobError(f"{self.url} isn't a captioning service: {error}") from error
        if "model_loaded" not in health:
            raise JobError(f"{self.url} isn't a captioning service: its /health says nothing of a model")
        return True

    def is_ready(self) -> bool:
        """Tells whether captions can be asked for."""
        return self.ask("GET", "/health").get("model_loaded") is True

    def progress(self) -> Json:
        """Gives how far the engine is, by what is known now."""
        return self.ask("GET", "/progress?wait_s=0")

    def release(self) -> None:
        """Asks for the GPU's memory, and returns once it is free. Raises RefusedError."""
        self.ask("POST", "/release", limit_s=RELEASE_S)

    @contextlib.contextmanager
    def _held(self, connection: http.client.HTTPConnection, limit_s: float) -> Iterator[None]:
        with self._lock:
            if self._is_over:
                raise ConnectionAbortedError(None, "the job is ending")
            self._open.add(connection)
        try:
            connection.connect()
            connection.sock.settimeout(limit_s)
            with self._lock:
                if self._is_over:  # since then, when there was nothing to shut
                    _shut(connection)
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


def _shut(connection: http.client.HTTPConnection) -> None:
    with contextlib.suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _object(content: bytes, response: http.client.HTTPResponse, url: str) -> Json:
    """Gives the JSON object of an answer. Raises RefusedError for an error, whatever its status."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        if response.status < 400:
            raise ServiceAbsentError(f"{url} answered with something that isn't whole, or no JSON object")
        body = {"error": f"{response.status} {response.reason}"}
    told = body.get("error")
    if response.status < 400 and not (told and body.keys() <= {"success", "error"}):
        return body
    error = told if isinstance(told, dict) else {"message": told}
    raise RefusedError(
        str(error.get("message") or f"{response.status} {response.reason}"),
        response.status,
        str(error.get("code") or ""),
        str(error.get("field") or error.get("param") or ""),
        _wait_s(response),
    )


def _wait_s(response: http.client.HTTPResponse) -> float:
    try:
        return min(MAX_WAIT_S, max(0.0, float(response.headers.get("Retry-After", "0"))))
    except ValueError:
        return 0.0
