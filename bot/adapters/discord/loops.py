"""Other bots that the operator allows to talk to this one: not without end, not too often."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Loops"]

A_MINUTE = 3  # questions of one bot
DEEPEST = 5  # of its questions in a channel in which no person has said anything to this bot in between
BROKEN_OFF = 600.0  # seconds
_MOST_PAIRS = 500


@dataclass(slots=True)
class _Pair:
    asked: deque[float] = field(default_factory=deque)
    depth: int = 0
    until: float = 0.0


class Loops:
    """Counts by bot and channel. `clock` gives seconds."""

    def __init__(self, allowed: tuple[str, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self.allowed = frozenset(allowed)
        self._clock = clock
        self._pairs: dict[tuple[str, str], _Pair] = {}

    def person_spoke(self, channel_id: str) -> None:
        """A person talks to the bot there: nobody is going round in circles."""
        for (_, channel), pair in self._pairs.items():
            if channel == channel_id:
                pair.depth = 0

    def may_ask(self, bot_id: str, channel_id: str) -> bool:
        """Whether this bot is answered once more; otherwise it is not for a while."""
        now = self._clock()
        pair = self._pairs.pop((bot_id, channel_id), None) or _Pair()
        self._pairs[bot_id, channel_id] = pair  # the latest is the last
        while len(self._pairs) > _MOST_PAIRS:
            del self._pairs[next(iter(self._pairs))]
        if now < pair.until:
            return False
        if pair.until:
            pair.until, pair.depth = 0.0, 0
        while pair.asked and pair.asked[0] <= now - 60:
            pair.asked.popleft()
        if len(pair.asked) >= A_MINUTE or pair.depth >= DEEPEST:
            pair.until = now + BROKEN_OFF
            return False
        pair.asked.append(now)
        pair.depth += 1
        return True
