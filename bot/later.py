"""What is tried again when its time comes: showing answers, in their order, and closing a question."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field

import structlog

from bot.adapter import PostFailed
from bot.conversation import Conversation
from bot.turns import Running, unpacked
from storage import Store

__all__ = ["RETRY_SECONDS", "Later"]

log = structlog.get_logger(__name__)

# Between attempts to deliver an answer that a platform did not take, for about two hours. Once the platform is well
# again, nobody waits for a minute.
RETRY_SECONDS = (5, 15, 30, *[45] * 160)
SOON_SECONDS = (0, 1)  # before the attempts for which the next question of a channel waits
_PATIENT = 5  # attempts at one answer, after which those behind it are shown before it

_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Owed:
    """The answers that a channel has not got yet, by the numbers of their questions."""

    heard: list[int] = field(default_factory=list)
    failed: Counter[int] = field(default_factory=Counter)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Later:
    """Finishes what a turn could not. What is left when it ends is taken up by the next start."""

    def __init__(self, store: Store, conversation: Conversation) -> None:
        self._store = store
        self._conversation = conversation
        self._owed: dict[_Key, _Owed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    def deliver(self, key: _Key, heard: int) -> None:
        """Try again to show an answer that is kept, until its platform takes it or the attempts are used up."""
        if self._over:
            return
        owed = self._owed.get(key)
        if owed is None:
            owed = self._owed[key] = _Owed()
            self._start(self._deliver(key, owed), "delivery")
        if heard not in owed.heard:
            owed.heard.append(heard)

    async def settle(self, key: _Key) -> None:
        """Try to show what a channel has not got yet, before its next answer. That does not wait for ever."""
        for seconds in SOON_SECONDS:
            if key not in self._owed:
                return
            await asyncio.sleep(seconds)
            await self._attempt(key)

    def close(self, heard: int) -> None:
        """Close a question whose author was told of trouble with the storage, once that is over."""
        if not self._over:
            self._start(self._close(heard), "closing")

    async def end(self) -> None:
        """Try nothing any more, whatever else fails from here on."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._owed.clear()

    async def _deliver(self, key: _Key, owed: _Owed) -> None:
        for seconds in RETRY_SECONDS:
            await asyncio.sleep(seconds)
            if self._owed.get(key) is owed:
                await self._attempt(key)
            if self._owed.get(key) is not owed:  # everything was shown; what came after that has attempts of its own
                return
        self._owed.pop(key, None)

    async def _attempt(self, key: _Key) -> None:
        """Try once to show what a channel has not got yet: the oldest first, and what is behind it only after it."""
        owed = self._owed.get(key)
        if owed is None:
            return
        async with owed.lock:
            for heard in list(owed.heard):
                try:
                    await self._show(heard)
                except Exception as error:
                    if isinstance(error, PostFailed):
                        log.warning("an answer still waits for its platform", heard=heard, reason=str(error))
                    else:
                        told = owed.failed[heard] >= _PATIENT  # of where it happened, often enough
                        log.error("an answer could not be shown", heard=heard, exc_info=None if told else error)
                    owed.failed[heard] += 1
                    if owed.failed[heard] < _PATIENT:
                        return
                else:
                    owed.heard.remove(heard)
            if not owed.heard:
                self._owed.pop(key, None)

    async def _show(self, heard_id: int) -> None:
        heard = next((each for each in await self._store.undone() if each.id == heard_id), None)
        if heard is not None and heard.state == "answered":  # else it is closed, or being answered anew
            await self._conversation.resume(heard, Running(heard.id, unpacked(heard.body)))

    async def _close(self, heard_id: int) -> None:
        for seconds in RETRY_SECONDS:
            await asyncio.sleep(seconds)
            with contextlib.suppress(Exception):
                await self._store.finish(heard_id, "failed")
                return

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
