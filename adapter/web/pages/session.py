"""Who may use the page: whoever has the link that the start prints, or the key.

The link holds a token that is made at the first start and kept in a file of the user's. A browser that has
shown it gets a cookie of its own, never the token itself nor the key.
"""

import contextlib
import hashlib
import hmac
import logging
import os
import secrets
import stat
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from adapter.web.api_key import has_key

COOKIE = "joycaption_session"
COOKIE_PATH = "/api"  # a cookie goes to all ports of a host, where other programs' paths begin differently
MAX_AGE_S = 30 * 24 * 3600
FILE_NAME = "page-token"
TOKEN_BYTES = 32
MAX_TOKEN_BYTES = 200

log = logging.getLogger("adapter.web")


class Sessions:
    """Knows the link's `token`, and tells sessions of its own from others.

    Sessions follow from the token, so that they hold on when the service is started again.
    """

    def __init__(self, token: str, key: str | None = None) -> None:
        self.token = token
        self._key = key
        self._secret = hashlib.blake2b(token.encode(), person=b"session").digest()

    def is_secret(self, shown: str) -> bool:
        """Tells whether somebody showed the token, or the key."""
        data = shown.encode("utf-8", "surrogateescape")
        is_key = self._key is not None and hmac.compare_digest(data, self._key.encode())
        return hmac.compare_digest(data, self.token.encode()) or is_key

    def link(self, host: str, port: int) -> str:
        """Gives the page's address with the token, which a browser sends to nobody."""
        if host in ("0.0.0.0", "::"):  # noqa: S104 - what one listens on isn't where one goes
            host = "127.0.0.1"
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/#token={self.token}"

    def begin(self, response: web.StreamResponse) -> None:
        """Gives the browser that gets this response a session."""
        body = f"{secrets.token_hex(16)}.{int(time.time()) + MAX_AGE_S}"
        response.set_cookie(
            COOKIE,
            f"{body}.{self._sign(body)}",
            max_age=MAX_AGE_S,
            path=COOKIE_PATH,
            httponly=True,
            samesite="Strict",
        )

    def admits(self, request: web.Request) -> bool:
        """Tells whether a request shows the key or the token, or comes from our own page in a session."""
        if self._key is not None and has_key(request, self._key):
            return True
        return has_key(request, self.token) or (_is_from_our_page(request) and self._has_session(request))

    def _has_session(self, request: web.Request) -> bool:
        body, _, sign = request.cookies.get(COOKIE, "").rpartition(".")
        _, _, expires = body.partition(".")
        is_signed = hmac.compare_digest(
            sign.encode("utf-8", "surrogateescape"), self._sign(body).encode("utf-8", "surrogateescape")
        )
        return is_signed and expires.isdecimal() and time.time() < int(expires)

    def _sign(self, body: str) -> str:
        data = body.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(data, key=self._secret, digest_size=32).hexdigest()


def load_token(folder: Path) -> str:
    """Gives the token that is kept in `folder`, and makes one where none is that only this user can read.

    Where it can't be kept, it lives as long as the process.
    """
    path = folder / FILE_NAME
    is_missing = False
    try:
        if token := _read(path):
            return token
    except FileNotFoundError:
        is_missing = True
    except OSError:
        pass  # a link, or nothing to be read: it is replaced
    token = secrets.token_urlsafe(TOKEN_BYTES)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder)  # with mode 0600
        try:
            with open(descriptor, "w") as file:
                file.write(token)
            if is_missing:
                os.link(temporary, path)  # which fails where another service was first
            else:
                os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except FileExistsError:
        return _read(path) or token
    except OSError as error:
        log.warning("the page's token can't be kept in %s: %s", folder, error.strerror)
    return token


def _read(path: Path) -> str:
    """Gives the token in a file of this user's that nobody else may read, nothing where it is otherwise."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
            return ""
        token = file.read(MAX_TOKEN_BYTES).decode("ascii", "replace").strip()
    return token if len(token) >= TOKEN_BYTES and token.isascii() else ""


def _is_from_our_page(request: web.Request) -> bool:
    """Tells whether no page of another origin sent the request, allowed or not."""
    origin = request.headers.get(hdrs.ORIGIN)
    try:
        return origin is None or urlsplit(origin).netloc == request.host
    except ValueError:
        return False
