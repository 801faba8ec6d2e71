"""What is tried again when its time comes: showing an answer, closing a question."""

import asyncio
import contextlib
from collections.abc import Coroutine

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


class Later:
    """Finishes what a turn could not. What is left when it ends is taken up by the next start."""

    def __init__(self, store: Store, conversation: Conversation) -> None:
        self._store = store
        self._conversation = conversation
        self._tasks: set[asyncio.Task[None]] = set()

    def deliver(self, heard: int) -> None:
        """Try again to show an answer that is kept, until its platform takes it or the attempts are used up."""
        self._start(self._deliver(heard), "delivery")

    def close(self, heard: int) -> None:
        """Close a question whose author was told of trouble with the storage, once that is over."""
        self._start(self._close(heard), "closing")

    async def end(self) -> None:
        """Try nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, heard_id: int) -> None:
        for seconds in RETRY_SECONDS:
            await asyncio.sleep(seconds)
            heard = next((each for each in await self._store.undone() if each.id == heard_id), None)
            if heard is None:
                return
            try:
                await self._conversation.resume(heard, Running(heard.id, unpacked(heard.body)))
            except PostFailed as error:
                log.warning("an answer still waits for its platform", heard=heard_id, reason=str(error))
            else:
                return

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
