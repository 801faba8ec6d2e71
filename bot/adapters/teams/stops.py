"""The button that ends an answer where Teams shows none of its own: below answers that have taken a while already."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from bot.adapters.teams.connector import Refused, Unsent
from bot.messages import Channel

__all__ = ["Stops"]

log = structlog.get_logger(__name__)

_AFTER, _AGAIN = 4.0, 1.5  # seconds from an answer's first sign to its button, and between attempts to show that
_ATTEMPTS = 3


@dataclass(slots=True)
class _Watch:
    over: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Stops:
    """Watches the answers that are being written, and has the button shown below those that go on.

    `streamed` says whether Teams shows a button of its own just now. `show` shows ours, if that needs no waiting; it
    may raise anything, and is asked again.
    """

    def __init__(
        self, streamed: Callable[[Channel, str], bool], show: Callable[[Channel, str], Awaitable[None]]
    ) -> None:
        self._streamed = streamed
        self._show = show
        self._watches: dict[tuple[str, str], _Watch] = {}

    def watch(self, channel: Channel, message_id: str) -> None:
        """This answer is being written."""
        key = (channel.id, message_id)
        if key not in self._watches:
            watch = self._watches[key] = _Watch()
            watch.task = asyncio.create_task(self._wait(watch, channel, message_id), name="teams stop")

    def watches(self, channel: Channel, message_id: str) -> bool:
        """Whether this answer is being written."""
        return (channel.id, message_id) in self._watches

    async def end(self, channel: Channel, message_id: str) -> None:
        """This answer is whole, or gone: from here on no button appears any more."""
        watch = self._watches.pop((channel.id, message_id), None)
        if watch is not None and watch.task is not None:
            watch.over.set()
            await watch.task  # it may be in the middle of showing it, and nobody else knows what that comes to

    async def close(self) -> None:
        """Watch nothing any more."""
        tasks = [watch.task for watch in self._watches.values() if watch.task is not None]
        self._watches.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, watch: _Watch, channel: Channel, message_id: str) -> None:
        seconds, attempts = _AFTER, 0
        while attempts < _ATTEMPTS:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(watch.over.wait(), seconds)
            if watch.over.is_set():
                return
            seconds = _AGAIN
            if self._streamed(channel, message_id):
                continue
            try:
                await self._show(channel, message_id)
            except Unsent as error:  # there is more important news to tell just now
                if error.doubtful:
                    return  # it may be there, and two would be one too many
                attempts += isinstance(error, Refused)
            except Exception as error:  # noqa: BLE001 - a button that is missing must never cost the answer
                attempts += 1
                log.info("no button to stop an answer yet", error=type(error).__name__)
            else:
                return
