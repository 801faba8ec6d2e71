"""What this adapter remembers over restarts. Storage in trouble must not keep the bot from joining Discord."""

from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from storage import Store

__all__ = ["Notes"]

log = structlog.get_logger(__name__)


class Notes:
    """The adapter's own notes in the store."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    async def read(self, name: str) -> dict[str, Any]:
        """What was kept under `name`; empty when there is nothing, or nothing that could be read."""
        try:
            return await self._store.noted("discord", name) or {}
        except Exception as error:  # noqa: BLE001 - whatever storage raises, the bot is better there without its notes
            log.warning("a note could not be read", note=name, error=type(error).__name__)
            return {}

    async def write(self, name: str, value: dict[str, Any]) -> bool:
        """Keep `value` under `name`; `False` when it could not be kept."""
        try:
            await self._store.note("discord", name, value)
        except Exception as error:  # noqa: BLE001 - as above; it is written again later
            log.warning("a note could not be kept", note=name, error=type(error).__name__)
            return False
        return True
