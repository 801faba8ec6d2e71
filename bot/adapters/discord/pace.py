"""How many calls a second, in all, Discord is asked to take.

It takes fifty from one bot, and refuses everything for a while beyond that. Calls that have to be made wait for their
place; those that only show that something is going on are left out when places are few.
"""

import asyncio
import time
from collections import deque

__all__ = ["Pace"]

MOST = 45  # calls in a second: the rest is for calls that are not counted here
FOR_GROWTH = 30  # with more than this, a growing answer is not shown at each step
IN_CHANNEL = 5  # edits that one channel takes in five seconds; one of them is kept for the end of an answer
STRETCHED_AFTER = 10  # steps of one answer after which they come half as often
FOR_TYPING = 20  # with more than this, the typing sign is left out
_WINDOW = 5.1  # a little more than five seconds
_MOST_KNOWN = 1000  # channels, and messages, that are remembered
_SECOND = 1.05  # a little more than a second, for calls that travel at different speeds


class Pace:
    """Places for calls, `MOST` in any second."""

    def __init__(self) -> None:
        self._made: deque[float] = deque()
        self._order = asyncio.Lock()
        self._edits: dict[str, deque[float]] = {}  # by channel, those of the last five seconds
        self._steps: dict[str, tuple[int, float]] = {}  # by message: how many, and when the last was

    async def place(self) -> None:
        """Wait for a place, in the order of asking."""
        async with self._order:
            if not self._free(MOST):
                await asyncio.sleep(max(0.0, self._made[0] + _SECOND - time.monotonic()))
            self._made.append(time.monotonic())

    def spare(self, most: int) -> bool:
        """Take a place if fewer than `most` calls were made in the last second, and nobody waits."""
        if self._order.locked() or not self._free(most):
            return False
        self._made.append(time.monotonic())
        return True

    def may_grow(self, channel_id: str, message_id: str, pace: float) -> bool:
        """Take a place to show one more step of a growing answer, if its channel and its age leave one."""
        now = time.monotonic()
        count, last = self._steps.get(message_id, (0, 0.0))
        if count >= STRETCHED_AFTER and now - last < 2 * pace:
            return False
        edits = self._edits_of(channel_id, now)
        if len(edits) >= IN_CHANNEL - 1 or not self.spare(FOR_GROWTH):
            return False
        edits.append(now)
        self._steps.pop(message_id, None)
        self._steps[message_id] = (count + 1, now)
        while len(self._steps) > _MOST_KNOWN:
            del self._steps[next(iter(self._steps))]
        return True

    def ended(self, channel_id: str, message_id: str) -> None:
        """The last edit of an answer is made."""
        self._steps.pop(message_id, None)
        now = time.monotonic()
        self._edits_of(channel_id, now).append(now)

    def _edits_of(self, channel_id: str, now: float) -> deque[float]:
        edits = self._edits.pop(channel_id, None) or deque()
        self._edits[channel_id] = edits  # the latest is the last
        while len(self._edits) > _MOST_KNOWN:
            del self._edits[next(iter(self._edits))]
        while edits and edits[0] <= now - _WINDOW:
            edits.popleft()
        return edits

    def _free(self, most: int) -> bool:
        now = time.monotonic()
        while self._made and self._made[0] <= now - _SECOND:
            self._made.popleft()
        return len(self._made) < most
