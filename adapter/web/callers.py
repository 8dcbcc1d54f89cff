"""Tells from a request's headers who has sent it: by the key it shows, and the name it comes under.

Standard library only, for whoever answers before any package is there.
"""

import hmac
import ipaddress
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

SCHEME = "bearer"
FOREIGN_HOST = "The request's Host is not one of this service's"
NEEDS_KEY = "A valid API key is needed: send it as Authorization: Bearer KEY"


def shows_key(authorization: str, key: str) -> bool:
    """Tells whether an `Authorization` header is `Bearer KEY`.

    It takes the same time for all wrong keys of one length. `authorization` holds bytes that aren't UTF-8 as
    surrogates.
    """
    scheme, _, shown = authorization.partition(" ")
    shown_bytes = shown.strip().encode("utf-8", "surrogateescape")
    return hmac.compare_digest(shown_bytes, key.encode()) and scheme.lower() == SCHEME


def own_names(host: str) -> set[str]:
    """Gives the names that this machine is called by, where the service listens on `host`."""
    return {"localhost", host.lower(), socket.gethostname().lower()}


def is_known_host(host: str, names: Collection[str]) -> bool:
    """Tells whether a `Host` header is one of `names`, or an address.

    Nobody can let an address point elsewhere.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name in names
    return True


def is_own_origin(origin: str, host: str) -> bool:
    """Tells whether an `Origin` header is that of a page that the service at `host` has given itself."""
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def is_loopback(address: str) -> bool:
    """Tells whether that is an address of this machine alone. A name is none."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
