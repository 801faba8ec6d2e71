"""How often a session may be begun: Discord takes 1,000 IDENTIFYs a day, and whoever sends more loses the token."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import structlog

from bot.adapters.discord.notes import Notes

__all__ = ["Starts", "TooSoon", "pause_after"]

log = structlog.get_logger(__name__)

FREE = 10  # sessions begun in a row without a pause
LONGEST_PAUSE = 900.0
SETTLED = 1800.0  # seconds a session has to last for the next start to be the first in a row again
MOST = 200  # a day and shard
DAY = 86400.0
RESERVE = 50  # of the 1,000, for whoever has to mend what begins so many

_NOTE = "identifies"


class TooSoon(Exception):
    """No session may be begun yet. `seconds` is how long to wait, `reason` why."""

    def __init__(self, seconds: float, reason: str) -> None:
        super().__init__(reason)
        self.seconds = seconds
        self.reason = reason


def pause_after(starts: Sequence[float], now: float) -> float:
    """Seconds to wait before one more session, after those begun at `starts` (oldest first, within a day)."""
    if not starts:
        return 0.0
    if len(starts) >= MOST:
        return max(0.0, starts[-MOST] + DAY - now)
    in_a_row = 0
    for later, earlier in pairwise(reversed([*starts, now])):
        if later - earlier > SETTLED:
            break
        in_a_row += 1
    if in_a_row < FREE:
        return 0.0
    return max(0.0, starts[-1] + min(4.0 ** (in_a_row - FREE + 1), LONGEST_PAUSE) - now)


class Starts:
    """Counted over restarts. `clock` gives seconds since 1970."""

    def __init__(self, notes: Notes, clock: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._clock = clock
        self._begun: dict[int, list[float]] = {}
        self._closed_until = 0.0

    async def load(self) -> None:
        kept = await self._notes.read(_NOTE)
        self._begun = {int(shard): [float(at) for at in begun] for shard, begun in kept.items()}

    def check(self) -> None:
        """Raise `TooSoon` while a session of some shard must not be begun."""
        now = self._clock()
        if self._closed_until > now:
            raise TooSoon(self._closed_until - now, "Discord takes no more sessions of this bot today")
        for shard in self._begun:
            self._check(shard)

    async def spend(self, shard: int) -> None:
        """Count one IDENTIFY before it is sent. Raises `TooSoon`."""
        self._check(shard)
        self._begun.setdefault(shard, []).append(self._clock())
        await self._notes.write(_NOTE, {str(shard): begun for shard, begun in self._begun.items()})

    def heed(self, limit: dict[str, Any], shards: int) -> None:
        """What Discord says is left, for so many shards. Raises `TooSoon`."""
        total, remaining = int(limit.get("total", 0)), int(limit.get("remaining", shards))
        reserve = min(RESERVE, total // 20)
        if remaining < reserve + shards:
            seconds = max(60.0, float(limit.get("reset_after", 0)) / 1000)
            self._closed_until = self._clock() + seconds
            raise TooSoon(seconds, f"Discord takes only {remaining} more sessions of this bot until then")

    def _check(self, shard: int) -> None:
        now = self._clock()
        # A clock that was put back must not shut the bot out, nor may old starts be counted for ever.
        begun = self._begun[shard] = [at for at in self._begun.get(shard, []) if now - DAY < at <= now]
        seconds = pause_after(begun, now)
        if seconds > 0:
            raise TooSoon(seconds, f"shard {shard} has begun {len(begun)} sessions in the last 24 hours")
