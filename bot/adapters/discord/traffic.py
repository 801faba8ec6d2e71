"""When not to call Discord: it shuts out for an hour whoever goes on making calls that it refuses."""

import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
import discord
import structlog

from bot.adapter import Gone
from bot.adapters.discord.pace import Pace
from bot.messages import Channel

__all__ = ["Traffic"]

log = structlog.get_logger(__name__)

REFUSALS = 3  # in a row, in one channel, before it is left alone
REST = (300.0, 1800.0, 7200.0, 86400.0)  # seconds for which it then is
MOST_INVALID = 5000  # in ten minutes; Discord takes 10,000
WINDOW = 600.0
_MOST_CHANNELS = 1000
_INVALID = (401, 403, 429)
_UNKNOWN_MESSAGE = 10008  # says nothing about the channel
_APART = re.compile(r"/(webhooks|interactions)/")  # what goes through the token of an interaction


@dataclass(slots=True)
class _Shut:
    channel: Channel
    refusals: int = 0
    until: float = 0.0


class Traffic:
    """Counts what Discord refuses. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shut: dict[str, _Shut] = {}
        self._invalid: deque[float] = deque()
        self._walled = 0.0

    # One channel

    def check(self, channel: Channel) -> None:
        """Raise `Gone` while the channel is left alone."""
        shut = self._shut.get(channel.id)
        if shut is not None and shut.until > self._clock():
            left = shut.until - self._clock()
            raise Gone(f"Discord has refused {shut.refusals} calls here, so no more are made for {left:.0f} s")

    def refused(self, channel: Channel, error: Exception) -> None:
        """Take note of a refusal, if it is one that concerns the channel."""
        if not isinstance(error, discord.Forbidden | discord.NotFound) or error.code == _UNKNOWN_MESSAGE:
            return
        shut = self._shut.pop(channel.id, None) or _Shut(channel)
        self._shut[channel.id] = shut  # the latest is the last
        while len(self._shut) > _MOST_CHANNELS:
            del self._shut[next(iter(self._shut))]
        shut.refusals += 1
        if shut.refusals >= REFUSALS:
            seconds = REST[min(shut.refusals - REFUSALS, len(REST) - 1)]
            shut.until = self._clock() + seconds
            log.warning("a channel is left alone", channel=channel.id, refusals=shut.refusals, seconds=seconds)

    def accepted(self, channel: Channel) -> None:
        """A call went through."""
        self._shut.pop(channel.id, None)

    def changed(self, *, channel_id: str = "", guild_id: str = "") -> None:
        """What the bot may do in this channel and its threads, or in this whole server, may be another now."""
        for key, shut in list(self._shut.items()):
            channel = shut.channel
            if channel_id in (channel.id, channel.parent) if channel_id else channel.tenant == guild_id:
                del self._shut[key]

    # All of them

    @property
    def pause(self) -> float:
        """Seconds for which nothing at all should be called; 0 when all is well."""
        now = self._clock()
        while self._invalid and self._invalid[0] <= now - WINDOW:
            self._invalid.popleft()
        full = self._invalid[0] + WINDOW - now if len(self._invalid) >= MOST_INVALID else 0.0
        return max(full, self._walled - now, 0.0)

    def wall(self, seconds: float) -> None:
        """Discord, or what stands before it, has shut us out for so long."""
        self._walled = max(self._walled, self._clock() + seconds)

    def count(self, status: int, scope: str = "") -> None:
        """Take note of the status of an answer, and whose limit it was where it says that there were too many."""
        if status not in _INVALID or scope == "shared":
            return
        self._invalid.append(self._clock())
        if len(self._invalid) == MOST_INVALID:
            log.error("discord refuses so much that nothing is called for a while", refused=MOST_INVALID)

    def trace(self, pace: Pace) -> aiohttp.TraceConfig:
        """What discord.py takes to count each call and each answer, also those it deals with by itself."""

        async def sent(_session: object, _context: object, params: aiohttp.TraceRequestHeadersSentParams) -> None:
            if not _APART.search(params.url.path):
                pace.made()

        async def ended(_session: object, _context: object, params: aiohttp.TraceRequestEndParams) -> None:
            self.count(params.response.status, params.response.headers.get("X-RateLimit-Scope", ""))

        config = aiohttp.TraceConfig()
        config.on_request_headers_sent.append(sent)
        config.on_request_end.append(ended)
        return config
