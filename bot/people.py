"""What is kept of people: given to them, and forgotten, on their own word or on an operator's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import orjson
import structlog

import storage
from bot.discovery import find_adapters
from bot.errors import UserError
from bot.messages import Channel, Person
from bot.waiting import Waiting

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["People", "export", "forget"]

log = structlog.get_logger(__name__)


class People:
    """The part of the `Host` that people ask about themselves."""

    def __init__(self, store: storage.Store, waiting: Waiting) -> None:
        self._store = store
        self._waiting = waiting

    async def export(self, person: Person, channel: Channel) -> bytes:
        """Everything kept of a person on the channel's platform, as JSON."""
        return orjson.dumps(await storage.export(self._store, channel.platform, person.id), option=orjson.OPT_INDENT_2)

    async def forget(self, person: Person, channel: Channel) -> int:
        """Forget a person on the channel's platform, and end what is being answered to them."""
        for running in self._waiting.everything():
            message = running.message
            if message.author.id == person.id and message.channel.platform == channel.platform:
                running.withdraw()
        lines = await storage.erase(self._store, channel.platform, person.id)
        log.info("a person was forgotten", platform=channel.platform, lines=lines)
        return lines

    async def left(self, platform: str, tenant: str, *, back: bool = False) -> None:
        """The bot was removed from a community, or is back there."""
        await storage.note_left(self._store, platform, tenant, back=back)


async def forget(config: "Config", platform: str, person: str) -> int:
    """Forget a person while Parley is stopped; how many lines of conversation that were.

    Raises `UserError` where there is no such platform, and `StorageError`.
    """
    async with _store_of(config, platform) as store:
        return await storage.erase(store, platform, person)


async def export(config: "Config", platform: str, person: str) -> str:
    """Everything kept of a person, as JSON, while Parley is stopped.

    Raises `UserError` where there is no such platform, and `StorageError`.
    """
    async with _store_of(config, platform) as store:
        return orjson.dumps(await storage.export(store, platform, person), option=orjson.OPT_INDENT_2).decode()


@asynccontextmanager
async def _store_of(config: "Config", platform: str) -> AsyncIterator[storage.Store]:
    """The store, open; of a platform whose adapter is gone, as long as something is kept of it."""
    store = await storage.open_store(config.database)
    try:
        if platform not in (installed := find_adapters()) and not await storage.seen(store, platform):
            raise UserError(f"There is no platform “{platform}”. It is one of: {', '.join(installed)}.")
        yield store
    finally:
        await store.close()
