"""The HTTP client that everything here shares, and how long one request may take."""

import asyncio
import ipaddress
import socket
from typing import Any

import aiohttp
import orjson

__all__ = ["Wire", "is_public", "read_limited"]

_PATIENCE = 10.0  # seconds that a request waits for the adapter to run
_TRY = aiohttp.ClientTimeout(total=15, sock_connect=5)


class Wire:
    """Two clients: `trusted` for hosts on the list, and `outside` for files elsewhere, kept out of private networks.

    Neither follows redirects or environment proxies by itself, nor keeps cookies.
    """

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._trusted: aiohttp.ClientSession | None = None
        self._outside: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        # Idle connections are dropped early: a POST on one that the server has just closed may or may not have arrived.
        self._trusted = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1000, keepalive_timeout=20),  # who waits for Teams holds up nobody
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TRY,
            json_serialize=lambda value: orjson.dumps(value).decode(),
        )
        self._outside = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=20, socket_factory=_public_socket),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=_TRY,
        )
        self._open.set()

    async def close(self) -> None:
        self._open.clear()
        for session in (self._trusted, self._outside):
            if session is not None:
                await session.close()
        self._trusted = self._outside = None

    async def trusted(self) -> aiohttp.ClientSession:
        """The client for trusted hosts; waits a while for the adapter to run, then raises TimeoutError."""
        await self._ready()
        assert self._trusted is not None
        return self._trusted

    async def outside(self) -> aiohttp.ClientSession:
        """The client for any other host; raises TimeoutError like `trusted`."""
        await self._ready()
        assert self._outside is not None
        return self._outside

    async def _ready(self) -> None:
        if not self._open.is_set():
            async with asyncio.timeout(_PATIENCE):
                await self._open.wait()


async def read_limited(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body of a response; raises ValueError above `limit` bytes."""
    body = bytearray()
    async for part in response.content.iter_chunked(65536):
        body += part
        if len(body) > limit:
            raise ValueError(f"more than {limit} bytes")
    return bytes(body)


def _public_socket(info: tuple[Any, ...]) -> socket.socket:
    """A socket to a public address. Checked here, where names are resolved already and literals do not slip past."""
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise OSError(f"{address[0]} is not a public address")
    return socket.socket(family, kind, protocol)


_NOT_PUBLIC = tuple(
    ipaddress.ip_network(block)
    for block in (
        "192.0.0.0/24",
        "168.63.129.16/32",  # Azure's own metadata
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
    )
)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet, not of this machine or of a network around it."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if not ip.is_global or ip.is_multicast:
        return False
    return not any(ip.version == block.version and ip in block for block in _NOT_PUBLIC)
