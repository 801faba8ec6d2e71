"""How many calls a second, in all, Discord is asked to take, and which of them goes first.

It takes fifty from one bot, and refuses everything for a while beyond that. Every call waits for its place, the ones
that matter most before the others. What a call shows is put together when it has its place, so that nothing grows old
here. Calls through the token of an interaction have no part in this: Discord counts them apart.
"""

import asyncio
import contextlib
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import TypeVar

__all__ = ["FOR_GROWTH", "MOST", "Pace", "Precedence"]

T = TypeVar("T")

MOST = 48  # calls in a second: the rest is for calls that wait for nobody
FOR_GROWTH = 30  # with more than this, a growing answer is not shown at each step
FOR_RENEWAL = 20  # with more than this, the typing sign is not shown again
IN_CHANNEL = 5  # edits that one channel takes in five seconds; one of them is kept for the end of an answer
STRETCHED_AFTER = 10  # steps of one answer after which they come half as often
SIGN_SECONDS = 10.0  # for which a typing sign is seen
_SECOND = 1.1  # a little more than a second, for calls that travel at different speeds
_LOOK = 0.05  # seconds between two looks whether Discord takes calls again
_APART = 0.008  # seconds between two places in a crowd, so that it does not set out at once
_AT_ONCE = 10  # places that are given without that
_WINDOW = 5.1  # a little more than five seconds
_FORGOTTEN = 2.0  # seconds after which a place that led to no call is free again
_MOST_KNOWN = 1000  # channels, and answers, that are remembered


class Precedence(IntEnum):
    """What goes first when places are few."""

    UNSEEN = 0  # the first thing that whoever asked gets to see
    BEGINNING = 1  # the first words, where the typing sign was seen
    SIGN = 2  # the typing sign, where nothing was seen
    END = 3  # the whole answer
    GROWTH = 4  # one more step of it
    RENEWAL = 5  # the typing sign once more


_FREE = {Precedence.GROWTH: FOR_GROWTH, Precedence.RENEWAL: FOR_RENEWAL}


class Pace:
    """Places for calls, `MOST` in any second. Waiting for one can be cancelled. `clock` gives seconds.

    `opened` tells whether Discord takes calls at all: nobody is to crowd before a closed door.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.opened: Callable[[], bool] = lambda: True
        self._made: deque[float] = deque()  # when calls were made
        self._given: deque[float] = deque()  # when places were given whose calls are still to be made
        self._next = float("-inf")  # before which no place is given
        self._waiting: list[tuple[Precedence, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._typed: dict[str, float] = {}  # by channel, when the typing sign was shown there
        self._edits: dict[str, deque[float]] = {}  # by channel, those of the last five seconds
        self._steps: dict[str, tuple[int, float]] = {}  # by answer: how many, and when the last was

    # What is shown

    async def begin(self, channel_id: str) -> None:
        """A place for the first message of an answer."""
        seen = self._is_seen(channel_id)
        await self.place(Precedence.BEGINNING if seen else Precedence.UNSEEN)
        self._typed.pop(channel_id, None)  # a message ends the sign

    async def sign(self, channel_id: str) -> None:
        """A place for the typing sign."""
        seen = self._is_seen(channel_id)
        await self.place(Precedence.RENEWAL if seen else Precedence.SIGN)
        _keep(self._typed, channel_id, self._clock())

    async def grow(self, channel_id: str, answer: str, pace: float) -> None:
        """A place for one more step of an answer, when its channel and its age leave one."""
        while wait := self._until_step(channel_id, answer, pace):  # noqa: ASYNC110 - time passes by itself
            await asyncio.sleep(wait)
        await self.place(Precedence.GROWTH)
        now = self._clock()
        self._edits_of(channel_id, now).append(now)
        _keep(self._steps, answer, (self._steps.get(answer, (0, 0.0))[0] + 1, now))

    async def end(self, channel_id: str, answer: str) -> None:
        """A place for the end of an answer."""
        await self.place(Precedence.END)
        self._steps.pop(answer, None)
        now = self._clock()
        self._edits_of(channel_id, now).append(now)

    def made(self) -> None:
        """A call sets out, whether it has a place or not."""
        if self._given:
            self._given.popleft()
        self._made.append(self._clock())

    # Places

    async def place(self, precedence: Precedence) -> None:
        """Wait for a place."""
        if not self._waiting and self._until_free(precedence) <= 0:
            self._give()
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (precedence, next(self._order), future))
        self._arrange()
        try:
            await future
        except asyncio.CancelledError:
            if not future.cancelled():  # it was given just now, and nobody takes it
                with contextlib.suppress(IndexError):
                    self._given.pop()
            self._arrange()
            raise

    def _arrange(self) -> None:
        """Give the places there are, and come back when there is the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            precedence, _, future = self._waiting[0]
            if not future.done() and (wait := self._until_free(precedence)) > 0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._arrange)
                return
            heapq.heappop(self._waiting)
            if not future.done():
                self._give()
                future.set_result(None)

    def _give(self) -> None:
        now = self._clock()
        self._given.append(now)
        self._next = max(self._next, now - _AT_ONCE * _APART) + _APART

    def _until_free(self, precedence: Precedence) -> float:
        """Seconds until there is a place for a call of this precedence, as far as is known now."""
        now, most = self._clock(), _FREE.get(precedence, MOST)
        while self._made and self._made[0] <= now - _SECOND:
            self._made.popleft()
        while self._given and self._given[0] <= now - _FORGOTTEN:
            self._given.popleft()
        wait = max(self._next - now, 0.0 if self.opened() else _LOOK)
        over = len(self._made) + len(self._given) - most
        if over >= 0:
            wait = max(wait, self._made[over] + _SECOND - now if over < len(self._made) else _SECOND)
        return wait

    # Channels

    def _is_seen(self, channel_id: str) -> bool:
        return self._clock() - self._typed.get(channel_id, float("-inf")) < SIGN_SECONDS

    def _until_step(self, channel_id: str, answer: str, pace: float) -> float:
        """Seconds until the channel takes one more step of an answer; an old one takes its time."""
        now = self._clock()
        count, last = self._steps.get(answer, (0, 0.0))
        wait = max(0.0, last + 2 * pace - now) if count >= STRETCHED_AFTER else 0.0
        edits = self._edits_of(channel_id, now)
        if len(edits) >= IN_CHANNEL - 1:
            wait = max(wait, edits[1 - IN_CHANNEL] + _WINDOW - now)
        return wait

    def _edits_of(self, channel_id: str, now: float) -> deque[float]:
        edits = self._edits.get(channel_id) or deque()
        _keep(self._edits, channel_id, edits)
        while edits and edits[0] <= now - _WINDOW:
            edits.popleft()
        return edits


def _keep(known: dict[str, T], key: str, value: T) -> None:
    """Remember it as the latest, and forget the oldest of too many."""
    known.pop(key, None)
    known[key] = value
    while len(known) > _MOST_KNOWN:
        del known[next(iter(known))]
