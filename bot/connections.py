"""The connections to the one HTTP server: who opens one and says nothing does not keep anybody else out."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

__all__ = ["Connections", "is_passed_on"]

_HEAD_SECONDS = 5.0  # in which the head of a first request has to be there
_MOST_SILENT = 200  # connections on which nothing was asked yet; with more, the oldest of them go …
_LEAST_SECONDS = 1.0  # … but what has just been opened is heard first
_MOST_IDLE = 1000  # connections that wait for a next request, likewise
_LOOK_EVERY = 0.5
_PASSES = 5  # of the event loop, in which everything that has arrived is read

# What a proxy or a tunnel adds, whatever it makes of the host.
_PASSED_ON = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_passed_on(request: web.Request) -> bool:
    """Whether this came through something in between, so that its sender may be anywhere."""
    return any(name in request.headers for name in _PASSED_ON)


class Connections:
    """Closes connections on which nothing is asked. `watched` makes the protocols of a server; `follow` is a middleware
    of its application, by which it is known when something was asked.
    """

    def __init__(self) -> None:
        self._silent: OrderedDict[asyncio.Protocol, float] = OrderedDict()  # since when
        self._idle: OrderedDict[asyncio.Protocol, None] = OrderedDict()
        self._alarm: asyncio.TimerHandle | None = None
        logging.getLogger("aiohttp.server").addFilter(_is_ours)

    def watched(self, server: web.Server) -> Callable[[], asyncio.Protocol]:
        """What makes the protocol of each new connection."""

        def connect() -> asyncio.Protocol:
            protocol = server()
            self._silent[protocol] = asyncio.get_running_loop().time()
            self._wake()
            return protocol

        return connect

    @web.middleware
    async def follow(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Something was asked on a connection."""
        protocol = request.protocol
        self._silent.pop(protocol, None)
        self._idle.pop(protocol, None)
        try:
            return await handler(request)
        finally:
            self._idle[protocol] = None
            if len(self._idle) > _MOST_IDLE:
                _close(self._idle.popitem(last=False)[0])

    def close(self) -> None:
        """Look after them no longer."""
        if self._alarm is not None:
            self._alarm.cancel()
        logging.getLogger("aiohttp.server").removeFilter(_is_ours)

    def _wake(self) -> None:
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(_LOOK_EVERY, self._look)

    def _look(self) -> None:
        """Close those that have been silent for too long, and forget those that are gone."""
        self._alarm = None
        now, over, late = asyncio.get_running_loop().time(), len(self._silent) - _MOST_SILENT, []
        for number, (protocol, since) in enumerate(self._silent.items()):
            if since > now - (_LEAST_SECONDS if number < over else _HEAD_SECONDS):
                break
            late.append(protocol)
        if late:
            self._close(late, _PASSES)
        for protocol in [each for each in self._idle if _transport(each) is None]:
            del self._idle[protocol]
        if self._silent or self._idle:
            self._wake()

    def _close(self, late: list[asyncio.Protocol], passes: int) -> None:
        """Close these, unless what they have asked has only not been read yet, because there is so much else to do."""
        if passes:
            asyncio.get_running_loop().call_soon(self._close, late, passes - 1)
            return
        for protocol in late:
            if self._silent.pop(protocol, None) is not None:
                _close(protocol)


def _transport(protocol: asyncio.Protocol) -> asyncio.BaseTransport | None:
    assert isinstance(protocol, web.RequestHandler)
    return protocol.transport


def _close(protocol: asyncio.Protocol) -> None:
    assert isinstance(protocol, web.RequestHandler)
    protocol.force_close()


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line is about a fault of ours: what is no HTTP is none, and the line may quote a token."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError)
