"""How fast one conversation may be written to."""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable

__all__ = ["Lane", "Lanes"]

# Teams takes 7 in 1 s, 8 in 2 s and 60 in 30 s. A little less is sent, because a network can squeeze requests together.
_WINDOWS = ((6, 1.0), (7, 2.0), (55, 30.0))
_KEPT = 2000


class Lane:
    """One conversation's way out: whoever holds `lock` sends next, so what is sent arrives in order."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lock = asyncio.Lock()
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=max(count for count, _ in _WINDOWS))
        self._closed_until = float("-inf")

    def wait(self) -> float:
        """Seconds until the next request may go; 0 when it may go now."""
        now = self._clock()
        until = self._closed_until
        for count, seconds in _WINDOWS:
            if len(self._sent) >= count:
                until = max(until, self._sent[-count] + seconds)
        return max(0.0, until - now)

    def sent(self) -> None:
        """Count one request."""
        self._sent.append(self._clock())

    def close_for(self, seconds: float) -> None:
        """Teams asked for silence."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)


class Lanes:
    """The lanes of the conversations written to last."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: OrderedDict[str, Lane] = OrderedDict()

    def of(self, conversation: str) -> Lane:
        lane = self._lanes.get(conversation)
        if lane is None:
            lane = self._lanes[conversation] = Lane(self._clock)
            for name in [name for name, old in self._lanes.items() if not old.lock.locked()][
                : len(self._lanes) - _KEPT
            ]:
                del self._lanes[name]
        self._lanes.move_to_end(conversation)
        return lane
