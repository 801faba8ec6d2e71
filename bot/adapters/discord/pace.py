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
FOR_TYPING = 20  # with more than this, the typing sign is left out
_SECOND = 1.05  # a little more than a second, for calls that travel at different speeds


class Pace:
    """Places for calls, `MOST` in any second."""

    def __init__(self) -> None:
        self._made: deque[float] = deque()
        self._order = asyncio.Lock()

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

    def _free(self, most: int) -> bool:
        now = time.monotonic()
        while self._made and self._made[0] <= now - _SECOND:
            self._made.popleft()
        return len(self._made) < most
