"""How much may be asked and spent, and how much there is left: plain arithmetic, on a clock that never jumps.

Money is counted in micro-dollars. What a running turn may cost is held back before it is spent, and settled after.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.models import Usage

__all__ = ["DAY", "HOUR", "MICRO", "MINUTE", "Meter", "Quotas", "Seldom", "in_words", "stand_in"]

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MICRO = 1_000_000  # micro-dollars in a dollar

# What a call is reckoned to cost where a provider is paid but its price is not known: more than most of them ask.
_PAID = ("openai", "azure", "openrouter", "huggingface")
_DEAR_INPUT, _DEAR_OUTPUT = 3.0, 15.0  # micro-dollars a token, which is dollars a million
_DEAR_PICTURE, _DEAR_SECOND = 250_000, 500  # micro-dollars


@dataclass(frozen=True, slots=True)
class Quotas:
    """What one person may ask for, what one community may, and what may be spent in all; a day is any 24 hours."""

    turns_per_minute: int = 10
    turns_per_day: int = 100
    pictures_per_day: int = 5
    audio_minutes_per_day: int = 15
    community_turns_per_hour: int = 300
    community_dollars_per_day: float = 2.0
    dollars_per_day: float = 10.0

    def lowered(self, chosen: Mapping[str, Any]) -> "Quotas":
        """With what moderators have chosen, wherever that is less."""
        less = {
            name: chosen[name]
            for name in self.__slots__
            if isinstance(chosen.get(name), int | float) and chosen[name] < getattr(self, name)
        }
        return replace(self, **less) if less else self

    def halved(self) -> "Quotas":
        """For a person whom the platform has not known for long."""
        return replace(
            self,
            turns_per_minute=math.ceil(self.turns_per_minute / 2),
            turns_per_day=math.ceil(self.turns_per_day / 2),
            pictures_per_day=math.ceil(self.pictures_per_day / 2),
            audio_minutes_per_day=math.ceil(self.audio_minutes_per_day / 2),
        )


class Meter:
    """What was used in the last `seconds`, and what is `held` back for what is running."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._used: deque[tuple[float, int]] = deque()
        self._sum = 0
        self.held = 0

    def add(self, amount: int, *, ago: float = 0.0) -> None:
        """Something was used; amounts of earlier are added in their order, before those of now."""
        if amount and ago < self._seconds:
            self._used.append((self._clock() - max(0.0, ago), amount))
            self._sum += amount

    @property
    def used(self) -> int:
        """What was used, without what is held back."""
        oldest = self._clock() - self._seconds
        while self._used and self._used[0][0] <= oldest:
            self._sum -= self._used.popleft()[1]
        return self._sum

    def allows(self, amount: int, most: int) -> bool:
        """Whether so much more stays within `most`."""
        return self.used + self.held + amount <= most

    def wait(self, amount: int, most: int) -> float:
        """Seconds until so much more stays within `most`; infinity when it never does."""
        if amount > most:
            return math.inf
        free = most - self.used - self.held
        for at, used in self._used:
            if free >= amount:
                break
            free += used
            if free >= amount:
                return max(0.0, at + self._seconds - self._clock())
        return 0.0 if free >= amount else self._seconds


class Seldom:
    """Says of each thing, at most once in so many seconds, that it is time."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: dict[Hashable, float] = {}  # the oldest first

    def due(self, what: Hashable) -> bool:
        """Whether it is time for it; from now on it is not for a while."""
        now = self._clock()
        while self._last and next(iter(self._last.values())) <= now - self._seconds:
            del self._last[next(iter(self._last))]
        if what in self._last:
            return False
        self._last[what] = now
        return True


def stand_in(usage: Usage) -> int:
    """What a call is reckoned to cost, in micro-dollars, where its price is not known: nothing on servers of one's own,
    which are not paid for by the call unless an operator says so.
    """
    if usage.provider not in _PAID:
        return 0
    tokens = usage.input_tokens * _DEAR_INPUT + usage.output_tokens * _DEAR_OUTPUT
    return round(tokens + usage.pictures * _DEAR_PICTURE + usage.seconds * _DEAR_SECOND)


def in_words(seconds: float) -> str:
    """A time to wait as people say it: "40 seconds", "3 minutes", "5 hours"."""
    for size, name in ((HOUR, "hour"), (MINUTE, "minute")):
        if seconds > 1.5 * size:
            return f"{math.ceil(seconds / size)} {name}s"
    return f"{max(1, math.ceil(seconds))} seconds" if seconds > 1 else "a second"
