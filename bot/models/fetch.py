"""Fetching a picture from the address that a model server answered with, and from nowhere it should not lead."""

import asyncio
import binascii
import ipaddress
import socket
from base64 import b64decode
from typing import Any
from urllib.parse import urljoin, urlsplit

__all__ = ["fetch_picture"]

_SECONDS = 20.0
_MOST_REDIRECTS = 3
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "::/96",
        "192.0.0.0/24",
        "168.63.129.16/32",
    )
)


async def fetch_picture(url: str, base_url: str, most: int) -> bytes:
    """The bytes at `url`: from the model server itself, or over https from a public address.

    No key goes along. Raises `ValueError` for an address that is not followed or more than `most` bytes, `OSError` when
    nothing comes.
    """
    if url.startswith("data:"):
        try:
            return b64decode(url.partition(",")[2], validate=True)
        except binascii.Error:
            raise ValueError("no base64") from None
    url = urljoin(f"{base_url}/", url)
    async with asyncio.timeout(_SECONDS):
        for _ in range(_MOST_REDIRECTS + 1):
            found = await _fetch(url, _origin(url) == _origin(base_url), most)
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
    raise ValueError("too many redirects")


async def _fetch(url: str, own: bool, most: int) -> bytes | str:
    """The bytes, or the address that it refers to."""
    import aiohttp

    parts = urlsplit(url)
    if not own and (parts.scheme != "https" or parts.username or parts.password or parts.port not in (None, 443)):
        raise ValueError("an address that is not followed")
    connector = aiohttp.TCPConnector(socket_factory=None if own else _public_socket, force_close=True)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, trust_env=False) as session,
            session.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as response,
        ):
            if response.status in (301, 302, 303, 307, 308):
                return response.headers.get("Location", "")
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = bytearray()
            async for block in response.content.iter_chunked(65536):
                body += block
                if len(body) > most:
                    raise ValueError("too large")
            return bytes(body)
    except aiohttp.ClientError as error:
        raise OSError(type(error).__name__) from error


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _public_socket(info: Any) -> socket.socket:
    """Checked where the connection is made: a name may lead anywhere, and to another place than a moment ago."""
    family, kind, protocol, _, address = info
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    plain = getattr(ip, "ipv4_mapped", None) or ip
    if (
        not plain.is_global
        or plain.is_multicast
        or any(plain in network for network in _NOT_PUBLIC if network.version == plain.version)
    ):
        raise OSError("not a public address")
    return socket.socket(family, kind, protocol)
