"""Where each conversation is answered, kept in storage so that a restart does not lose the way back."""

import asyncio
from collections import OrderedDict
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from bot.messages import Channel

if TYPE_CHECKING:
    from storage import Store

__all__ = ["Address", "Addresses"]

_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a conversation. `gone` once Teams said that the bot is no longer in it."""

    service_url: str
    channel_id: str
    conversation: str
    kind: str
    tenant: str
    bot_id: str
    bot_name: str
    gone: bool = False
    welcomed: bool = False


class Addresses:
    """The addresses of all conversations; those used last are in memory."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._known: OrderedDict[str, Address] = OrderedDict()
        self._writing = asyncio.Lock()

    async def find(self, channel: Channel) -> Address | None:
        """The address of a conversation, or None when nothing was ever heard from it."""
        name = _name(channel)
        known = self._known.get(name)
        if known is None:
            noted = await self._store.noted("teams", name)
            if noted is None:
                return None
            known = _read(noted)
            self._keep(name, known)
        self._known.move_to_end(name)
        return known

    async def note(self, channel: Channel, address: Address) -> None:
        """Something was heard from here: remember the address, unless it is known already."""
        if self._known.get(_name(channel)) == address:
            return
        async with self._writing:
            known = await self.find(channel)
            await self._write(channel, replace(address, welcomed=known.welcomed if known else False))

    async def welcome(self, channel: Channel, address: Address) -> bool:
        """The bot was added here: remember the address. True once, so that it is greeted once."""
        async with self._writing:
            known = await self.find(channel)
            if known is not None and known.welcomed and not known.gone:
                return False
            await self._write(channel, replace(address, welcomed=True))
            return True

    async def close(self, channel: Channel) -> None:
        """The bot is no longer in this conversation."""
        async with self._writing:
            known = await self.find(channel)
            if known is not None:
                await self._write(channel, replace(known, gone=True))

    async def _write(self, channel: Channel, address: Address) -> None:
        if await self.find(channel) != address:
            await self._store.note("teams", _name(channel), asdict(address))
            self._keep(_name(channel), address)

    def _keep(self, name: str, address: Address) -> None:
        self._known[name] = address
        self._known.move_to_end(name)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)


def _name(channel: Channel) -> str:
    return f"conversation {channel.tenant} {channel.id}"


def _read(noted: dict[str, Any]) -> Address:
    known = {each.name for each in fields(Address)}
    return Address(**{name: value for name, value in noted.items() if name in known})
