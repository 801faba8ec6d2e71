"""What an operator does for one person while Parley is stopped: give them what is kept of them, or forget them."""

from typing import TYPE_CHECKING

import orjson

import storage

if TYPE_CHECKING:
    from bot.config import Config

__all__ = ["export", "forget"]


async def forget(config: "Config", platform: str, person: str) -> int:
    """Forget a person; how many lines of conversation that were. Raises `StorageError`."""
    store = await storage.open_store(config.database)
    try:
        return await storage.erase(store, platform, person)
    finally:
        await store.close()


async def export(config: "Config", platform: str, person: str) -> str:
    """Everything kept of a person, as JSON. Raises `StorageError`."""
    store = await storage.open_store(config.database)
    try:
        return orjson.dumps(await storage.export(store, platform, person), option=orjson.OPT_INDENT_2).decode()
    finally:
        await store.close()
