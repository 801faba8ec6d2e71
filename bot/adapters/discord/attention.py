"""Up to which message everything said to the bot was heard, so that what was said later can be read after a silence.

Message ids are the clock here: they grow with the time of writing and are Discord's own, so that no difference between
its clock and ours can hide a message.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import discord

from bot.adapters.discord.notes import Notes

__all__ = ["Attention"]

LONGEST_SILENCE = 900.0  # seconds; what was said before that is not answered any more
MARGIN = 10.0  # seconds by which messages may come in another order than that of their ids
MOST_PRIVATE = 100  # private channels remembered, those used last

_NOTE = "alive"


class Attention:
    """Kept over connections and restarts. `clock` gives seconds since 1970."""

    def __init__(self, notes: Notes, clock: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._clock = clock
        self._begun = 0
        self._seen: dict[int, int] = {}
        self._held: dict[int | str, int] = {}
        self._private: dict[int, None] = {}
        self._kept: dict[str, object] = {}

    async def load(self) -> None:
        """Take up the thread. At the very first start there is nothing to catch up with: it begins now."""
        self._kept = await self._notes.read(_NOTE)
        since, private = self._kept.get("since"), self._kept.get("private")
        now = _id_at(self._clock())
        self._begun = since if isinstance(since, int) else now
        self._private = {key: None for key in private if isinstance(key, int)} if isinstance(private, list) else {}
        self._seen.clear()
        await self.save()

    async def save(self) -> None:
        """Keep where we are, if we have moved."""
        oldest = self._oldest
        self._held = {what: since for what, since in self._held.items() if since >= oldest or not isinstance(what, int)}
        reached = min((self._reached(shard) for shard in self._seen), default=self._begun)
        present: dict[str, object] = {"since": reached, "private": list(self._private)}
        if present != self._kept and await self._notes.write(_NOTE, present):
            self._kept = present

    @property
    def private_channels(self) -> list[int]:
        """The private channels in which the bot was spoken to, the latest first."""
        return list(reversed(self._private))

    def since(self, shard: int) -> int:
        """The message id after which something may not have been heard by this shard."""
        return max(self._reached(shard) - _span(MARGIN), self._oldest)

    def joined(self, shard: int) -> None:
        """This shard listens from now on."""
        self._seen.setdefault(shard, self._begun)

    def seen(self, shard: int, message_id: int) -> None:
        """Everything that Discord has sent to this shard up to this message has come."""
        self._seen[shard] = max(self._seen.get(shard, self._begun), message_id)

    def hold(self, what: int | str, message_id: int) -> None:
        """Do not move past this message until `what` is released: a place to be read, or a message to be stored.

        A message is given up when it is too old to be answered; a place stays, for what was said there later.
        """
        self._held[what] = min(message_id, self._held.get(what, message_id))

    def held(self, what: int | str) -> int | None:
        """After which message to read there; None when there is nothing to be read."""
        return max(self._held[what], self._oldest) if what in self._held else None

    def release(self, what: int | str) -> None:
        self._held.pop(what, None)

    async def meet(self, channel_id: int) -> None:
        """Remember a private channel; Discord does not list them. A new one is kept at once."""
        known = channel_id in self._private
        self._private.pop(channel_id, None)
        self._private[channel_id] = None
        while len(self._private) > MOST_PRIVATE:
            del self._private[next(iter(self._private))]
        if not known:
            await self.save()

    def part(self, channel_id: int) -> None:
        """A private channel is closed to the bot."""
        self._private.pop(channel_id, None)

    @property
    def _oldest(self) -> int:
        return _id_at(self._clock() - LONGEST_SILENCE)

    def _reached(self, shard: int) -> int:
        return min([self._seen.get(shard, self._begun), *self._held.values()])


def _id_at(moment: float) -> int:
    return discord.utils.time_snowflake(datetime.fromtimestamp(moment, UTC))


def _span(seconds: float) -> int:
    """So many seconds, as a difference of ids."""
    return int(seconds * 1000) << 22
