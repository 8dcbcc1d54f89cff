"""Fetches images at http(s) URLs, from hosts that the operator has named and from nowhere else.

A client's URL makes this service speak to other machines, so each step is checked: the host's name against
the list, every address that the name resolves to before any is connected to, and both again on each redirect.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Collection
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from adapter.errors import RemoteImageError
from adapter.images.sources import ImageBytes, ImageLimits

MAX_REDIRECTS = 3
REDIRECTS = (301, 302, 303, 307, 308)
# Ways to write an IPv4 address as an IPv6 one, and addresses of sites, which Python counts as global.
INDIRECT = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "64:ff9b::/96",  # NAT64, RFC 6052
            "64:ff9b:1::/48",  # NAT64 of a network's own, RFC 8215
            "::/96",  # IPv4-compatible, RFC 4291
            "::ffff:0:0:0/96",  # IPv4-translated, RFC 2765
            "fec0::/10",  # site-local, RFC 3879
        ),
    )
)
ISATAP = (0x5EFE, 0x2005EFE)  # in the middle of addresses that end in an IPv4 one, RFC 5214


def is_public(address: str) -> bool:
    """Tells whether an IP address is on the open internet: not of this machine, its network or a tunnel."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if ip.sixtofour is not None or ip.teredo is not None or any(ip in network for network in INDIRECT):
            return False
        if (int(ip) >> 32) & 0xFFFFFFFF in ISATAP:
            return False
    return ip.is_global and not ip.is_multicast


def _ignore(more_bytes: int) -> None:
    """Takes any number of bytes."""


class _PublicResolver(AbstractResolver):
    """Resolves names, and refuses a name if any of its addresses isn't allowed."""

    def __init__(self, allow_address: Callable[[str], bool]) -> None:
        self._allow_address = allow_address
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(self._allow_address(entry["host"]) for entry in found):
            raise RemoteImageError(f"The host {host} has no public address")
        return found

    async def close(self) -> None:
        await self._resolver.close()


class RemoteImages:
    """Fetches images from `hosts`, and must be closed.

    Each host is `NAME`, which stands for the scheme's own port, or `NAME:PORT`. `limits` bounds the bytes of
    an image, `timeout_s` the time to fetch it. `allow_address` decides about each resolved address.
    """

    def __init__(
        self,
        hosts: Collection[str],
        limits: ImageLimits,
        timeout_s: float,
        allow_address: Callable[[str], bool] = is_public,
    ) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._limits = limits
        self._allow_address = allow_address
        # Made when it is first used: most services never fetch anything.
        self._session: aiohttp.ClientSession | None = None
        self._timeout_s = timeout_s

    async def close(self) -> None:
        """Closes all connections."""
        if self._session is not None:
            await self._session.close()

    async def fetch(self, address: str, hold: Callable[[int], None] = _ignore) -> ImageBytes:
        """Gives the file at `address`. `hold` is told the bytes as they come, and may refuse them.

        Raises RemoteImageError, ImageTooLargeError, and what `hold` raises.
        """
        if not self._hosts:
            raise RemoteImageError(
                "Images at http(s) URLs are not fetched here: send a data: URL "
                "(the operator allows hosts by CAPTION_ALLOWED_IMAGE_HOSTS)"
            )
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(self._checked(address), hold)
        except TimeoutError as error:
            raise RemoteImageError(f"The image's host took longer than {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            # What went wrong in detail would tell the client about this network.
            raise RemoteImageError("The image can't be fetched from its host") from error

    async def _follow(self, url: URL, hold: Callable[[int], None]) -> ImageBytes:
        session = self._open_session()
        for _ in range(MAX_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False) as response:
                if response.status in REDIRECTS and "Location" in response.headers:
                    url = self._checked(response.headers["Location"], base=url)
                    continue
                if response.status != 200:
                    raise RemoteImageError(f"The image's host answered with status {response.status}")
                return await self._read(response, hold)
        raise RemoteImageError("The image's host redirects too often")

    async def _read(self, response: aiohttp.ClientResponse, hold: Callable[[int], None]) -> ImageBytes:
        data = bytearray()
        async for received in response.content.iter_any():
            hold(len(received))
            data += received
            if len(data) > self._limits.max_bytes:
                break
        image = ImageBytes(bytes(data))
        image.read(self._limits)
        return image

    def _checked(self, address: str, base: URL | None = None) -> URL:
        try:
            url = base.join(URL(address)) if base else URL(address)
            host, port = (url.host or "").lower(), url.port
        except ValueError as error:
            raise RemoteImageError("The image's URL can't be read") from error
        name = host if url.is_default_port() else f"{host}:{port}"
        if url.scheme not in ("http", "https") or url.user is not None or name not in self._hosts:
            raise RemoteImageError(f"Images are not fetched from {name if host else 'there'}")
        if _is_ip_address(host) and not self._allow_address(host):
            raise RemoteImageError(f"The host {host} has no public address")
        return url

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            options: dict[str, Any] = {
                "resolver": _PublicResolver(self._allow_address),
                "use_dns_cache": False,
            }
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(**options),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "image/*", "Accept-Encoding": "identity"},
                auto_decompress=False,
            )
        return self._session


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
