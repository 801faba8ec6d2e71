"""Rate limits as Discord keeps them: a window of so many calls in so many seconds, per bucket and channel."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from dataclasses import dataclass


@dataclass
class _Window:
    limit: int
    remaining: int
    resets_at: float


@dataclass(frozen=True)
class Verdict:
    """Whether a call may pass, what its headers say, and how many seconds to wait when it may not."""

    headers: dict[str, str]
    retry_after: float = 0.0
    everywhere: bool = False


class Limits:
    """`sizes` maps a bucket to (calls, seconds). With `on` false nothing is refused and no header is sent."""

    def __init__(self, on: bool = True) -> None:
        self.on = on
        self.sizes: dict[str, tuple[int, float]] = {
            "create": (5, 5.0),
            "edit": (5, 5.0),
            "typing": (5, 5.0),
            "reaction": (1, 0.25),
        }
        self.usual = (50, 1.0)
        self.per_second = 50
        self.refused = 0
        self._windows: dict[tuple[str, str], _Window] = {}
        self._recent: deque[float] = deque()

    def pass_through(self, bucket: str, place: str) -> Verdict:
        """Count one call in the bucket of this channel (or other major parameter)."""
        if not self.on:
            return Verdict({})
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= self.per_second:
            self.refused += 1
            return Verdict({"X-RateLimit-Global": "true"}, self._recent[0] + 1 - now, True)
        self._recent.append(now)

        limit, seconds = self.sizes.get(bucket, self.usual)
        window = self._windows.get((bucket, place))
        if window is None or window.resets_at <= now:
            window = self._windows[bucket, place] = _Window(limit, limit, now + seconds)
        headers = {
            "X-RateLimit-Bucket": hashlib.sha256(bucket.encode()).hexdigest()[:32],
            "X-RateLimit-Limit": str(window.limit),
            "X-RateLimit-Reset-After": f"{window.resets_at - now:.3f}",
            "X-RateLimit-Reset": f"{time.time() + window.resets_at - now:.3f}",
        }
        if window.remaining <= 0:
            self.refused += 1
            return Verdict(headers | {"X-RateLimit-Remaining": "0"}, window.resets_at - now)
        window.remaining -= 1
        return Verdict(headers | {"X-RateLimit-Remaining": str(window.remaining)})
