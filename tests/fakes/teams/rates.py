"""How often a bot may write to one conversation."""

from __future__ import annotations

import time
from collections import defaultdict, deque

WINDOWS = ((7, 1.0), (8, 2.0), (60, 30.0), (1800, 3600.0))


class Rates:
    """Counts sends, edits, deletions and typing signs by conversation."""

    def __init__(self) -> None:
        self._sent: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=1800))

    def take(self, conversation: str) -> float:
        """Count one request; the seconds to wait when it is one too many (then it is not counted)."""
        now = time.monotonic()
        sent = self._sent[conversation]
        for count, seconds in WINDOWS:
            if len(sent) >= count and now - sent[-count] < seconds:
                return seconds - (now - sent[-count])
        sent.append(now)
        return 0.0
