"""A file on its way into a person's OneDrive, piece by piece, by an address that Teams gave for it alone.

Such an address is a session: it takes each byte once, says what it still wants, and is gone once it has everything. So
nothing is written twice, whatever breaks on the way.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal

import aiohttp
import orjson
import structlog
from yarl import URL

from bot.adapters.teams.hosts import SHAREPOINT, Hosts, parse
from bot.adapters.teams.wire import Wire, read_limited

__all__ = ["Outcome", "Uploading"]

log = structlog.get_logger(__name__)

Outcome = Literal["arrived", "gone", "failed"]

_PIECE = 16 * 320 * 1024  # OneDrive wants multiples of 320 KiB, and takes less than 60 MiB at once
_AT_ONCE = 64 * 1024
_LARGEST_ANSWER = 64 * 1024
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)  # before what failed is tried again, if nothing has come through since
_LONGEST_PAUSE = 60.0
_SLOW = aiohttp.ClientTimeout(total=180, sock_connect=10, sock_read=60)
_ONEDRIVE = (*SHAREPOINT, ".1drv.com")
_OVER = (401, 403, 404, 410)  # an address that is used up, or too old
_PASSING = (408, 416, 423, 429, 500, 502, 503, 504, 509)


class _Again(Exception):
    """It is not clear how far this came; `seconds` is how long OneDrive wants to be left alone."""

    def __init__(self, reason: str, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Uploading:
    """Writes files, without any token: the address itself is the permission."""

    def __init__(self, wire: Wire, hosts: Hosts) -> None:
        self._wire = wire
        self._hosts = hosts

    async def send(
        self, address: str, content: bytes, *, resumed: bool, closing: bool, close: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """Write a file, beginning or, when `resumed`, going on where an earlier process had come.

        `close` is awaited before the last piece is sent; `closing` says that an earlier process had come that far, so
        that a session which is gone has everything.
        """
        url = parse(address)
        if url is None or not self._may_write(url):
            log.warning("teams named an address for a file that is not OneDrive's", host=url.host if url else "")
            return "failed"
        at, look, sent_all, failures = 0, resumed, closing, 0
        while True:
            last = False
            try:
                if look:
                    wanted = await self._wanted(url)
                    if wanted is None:
                        return "arrived" if sent_all else "gone"
                    at, look = wanted, False
                last = at + _PIECE >= len(content)
                if last:
                    await close()
                come = await self._put(url, content, at)
                if not isinstance(come, int):
                    return come
                at, failures = come, failures + 1 if come <= at else 0
                if failures <= len(_PAUSES):
                    continue
                error: Exception = _Again("it does not get on")
            except (_Again, aiohttp.ClientError, OSError) as raised:
                error, look, sent_all = raised, True, sent_all or last
            if failures >= len(_PAUSES):
                log.warning("a file could not be saved", host=url.host, error=type(error).__name__)
                return "failed"
            log.info("a file is to be sent on", host=url.host, at=at, error=type(error).__name__)
            seconds = error.seconds if isinstance(error, _Again) else 0.0
            await asyncio.sleep(min(max(seconds, _PAUSES[failures]), _LONGEST_PAUSE))
            failures += 1

    def _may_write(self, url: URL) -> bool:
        host = (url.host or "").lower()
        return self._hosts.trusts(url) or (url.scheme == "https" and host.endswith(_ONEDRIVE))

    async def _put(self, url: URL, content: bytes, at: int) -> int | Outcome:
        """Send the piece that begins there: how far OneDrive is now, or how it ended. Raises `_Again`."""
        end = min(at + _PIECE, len(content))
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - at),
            "Content-Range": f"bytes {at}-{end - 1}/{len(content)}",
        }
        session = await self._session(url)
        # The client would by itself repeat what it can send twice, and then not tell that the first may have arrived.
        piece = _once(memoryview(content)[at:end])
        async with session.put(url, data=piece, headers=headers, allow_redirects=False, timeout=_SLOW) as response:
            status = response.status
            if status in (200, 201):
                return "arrived"
            if status == 202:
                found = _first_wanted(await _object(response))
                return end if found is None else found
        if status in _OVER:
            return "gone"
        _raise_if_passing(status, response)
        log.warning("a file could not be saved", host=url.host, status=status)
        return "failed"

    async def _wanted(self, url: URL) -> int | None:
        """The first byte that OneDrive still wants; None when the session is gone. Raises `_Again`."""
        session = await self._session(url)
        async with session.get(url, allow_redirects=False, timeout=_SLOW) as response:
            if response.status in _OVER:
                return None
            _raise_if_passing(response.status, response)
            if response.status != 200:
                raise _Again(f"status {response.status}")
            return _first_wanted(await _object(response)) or 0

    async def _session(self, url: URL) -> aiohttp.ClientSession:
        return await (self._wire.trusted() if self._hosts.trusts(url) else self._wire.outside())


async def _once(piece: memoryview) -> AsyncIterator[bytes]:
    for at in range(0, len(piece), _AT_ONCE):
        yield bytes(piece[at : at + _AT_ONCE])


def _raise_if_passing(status: int, response: aiohttp.ClientResponse) -> None:
    if status in _PASSING:
        try:
            seconds = float(response.headers.get("Retry-After", "0"))
        except ValueError:
            seconds = 0.0
        raise _Again(f"status {status}", seconds)


async def _object(response: aiohttp.ClientResponse) -> dict[str, Any]:
    try:
        found = orjson.loads(await read_limited(response, _LARGEST_ANSWER))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _first_wanted(answer: dict[str, Any]) -> int | None:
    """Where the first range begins of `{"nextExpectedRanges": ["5242880-", …]}`."""
    ranges = answer.get("nextExpectedRanges")
    first = ranges[0] if isinstance(ranges, list) and ranges else None
    number = first.partition("-")[0] if isinstance(first, str) else ""
    return int(number) if number.isdecimal() and len(number) < 16 else None
