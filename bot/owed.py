"""Answers that are kept, but that their platform has not taken yet: shown as soon as it does, in their order."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.adapter import PostFailed

__all__ = ["RETRY_SECONDS", "Owed"]

log = structlog.get_logger(__name__)

# Between attempts to deliver an answer that a platform did not take, for about two hours. Once the platform is well
# again, nobody waits for a minute.
RETRY_SECONDS = (5, 15, 30, *[45] * 160)
_SOON_SECONDS = (0, 1)  # before the attempts while the next question of a channel waits
_PATIENT = 5  # attempts at one answer, after which those behind it are shown before it

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Channel:
    heard: list[int] = field(default_factory=list)
    failed: Counter[int] = field(default_factory=Counter)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Owed:
    """What is owed to each channel, by the numbers of its questions.

    `deliver` shows one answer, and raises `PostFailed` where its platform still does not take it.
    """

    def __init__(self, deliver: Callable[[int], Awaitable[None]]) -> None:
        self._deliver = deliver
        self._channels: dict[_Key, _Channel] = {}

    def add(self, key: _Key, heard: int) -> bool:
        """Owe one more answer. `True` where nothing was owed before: then `later` has to be run."""
        new = key not in self._channels
        owed = self._channels.setdefault(key, _Channel())
        if heard not in owed.heard:
            owed.heard.append(heard)
        return new

    async def settle(self, key: _Key) -> None:
        """Try to show what is owed before the next answer of this channel, which does not wait for ever."""
        for seconds in _SOON_SECONDS:
            if key not in self._channels:
                return
            await asyncio.sleep(seconds)
            await self._attempt(key)

    async def later(self, key: _Key) -> None:
        """Show what is owed to a channel until nothing is, or the attempts are used up."""
        for seconds in RETRY_SECONDS:
            await asyncio.sleep(seconds)
            await self._attempt(key)
            if key not in self._channels:
                return
        self._channels.pop(key, None)  # the next start takes it up

    async def _attempt(self, key: _Key) -> None:
        owed = self._channels.get(key)
        if owed is None:
            return
        async with owed.lock:
            for heard in list(owed.heard):
                try:
                    await self._deliver(heard)
                except PostFailed as error:
                    log.warning("an answer still waits for its platform", heard=heard, reason=str(error))
                    owed.failed[heard] += 1
                    if owed.failed[heard] < _PATIENT:
                        return
                except Exception:
                    log.exception("an answer could not be shown", heard=heard)
                    return
                else:
                    owed.heard.remove(heard)
            if not owed.heard:
                self._channels.pop(key, None)
