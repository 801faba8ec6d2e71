"""Leaving a server alone that fails again and again, so that nobody waits for it in vain."""

from collections import deque
from collections.abc import Callable
from time import monotonic

__all__ = ["Breaker"]


class Breaker:
    """Opens after `most` failures within `seconds`, and stays open for as long."""

    def __init__(self, most: int = 10, seconds: float = 30.0, clock: Callable[[], float] = monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._failures: deque[float] = deque(maxlen=most)
        self._closed_again = 0.0

    @property
    def open(self) -> bool:
        """Whether calls should not be made now."""
        return self._clock() < self._closed_again

    def failed(self) -> bool:
        """Count a failure; true when this one opened it."""
        now = self._clock()
        self._failures.append(now)
        if len(self._failures) < self._most or now - self._failures[0] > self._seconds:
            return False
        self._closed_again = now + self._seconds
        return True

    def worked(self) -> None:
        """Forget the failures."""
        self._failures.clear()
