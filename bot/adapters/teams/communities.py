"""The organisations, teams and chats that the bot is in, by name: for whoever runs it, to choose one."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import structlog

from bot.adapter import Community
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.connector import Connector, Unsent
from bot.messages import Channel

__all__ = ["Communities"]

log = structlog.get_logger(__name__)

_AT_ONCE = 4  # questions to Teams
_PATIENCE = 4.0  # seconds for all of them; what has no name by then is shown without
_FRESH = 60.0  # seconds for which what was found is told again
_SHOWN = 3  # people whose names stand for a chat


class Communities:
    """Finds out what they are called. Teams says so only when it is asked."""

    def __init__(self, addresses: Addresses, connector: Connector) -> None:
        self._addresses = addresses
        self._connector = connector
        self._found: tuple[Community, ...] = ()
        self._until = 0.0

    async def find(self) -> tuple[Community, ...]:
        """One for each organisation, with the channels and chats in which the bot was spoken to."""
        if time.monotonic() >= self._until:
            known = await self._addresses.all()
            names = await self._names([address for channel, address in known if channel.kind != "direct"])
            tenants: dict[str, list[Channel]] = {}
            for channel, _ in known:
                channels = tenants.setdefault(channel.tenant, [])
                if channel.kind != "direct":
                    channels.append(replace(channel, name=names.get(channel.id) or _unnamed(channel)))
            self._found = tuple(
                Community("teams", tenant, f"Organisation {tenant[:8]}", tuple(sorted(channels, key=lambda c: c.name)))
                for tenant, channels in sorted(tenants.items())
            )
            self._until = time.monotonic() + _FRESH
        return self._found

    async def _names(self, addresses: Sequence[Address]) -> dict[str, str]:
        """What teams, their channels and chats are called, by their ids, as far as Teams says so in time."""
        names: dict[str, str] = {}
        places = asyncio.Semaphore(_AT_ONCE)
        teams = {address.team: address for address in addresses if address.team}
        chats = {address.conversation: address for address in addresses if not address.team}

        async def look(team: str, address: Address) -> None:
            async with places:
                found = await self._ask(address, f"/v3/teams/{quote(team, safe='')}")
                listed = await self._ask(address, f"/v3/teams/{quote(team, safe='')}/conversations")
            name = _text(found.get("name")) or "Team"
            for each in listed.get("conversations") or ():
                if isinstance(each, dict):
                    names[_text(each.get("id"))] = f"{name} › {_text(each.get('name')) or 'General'}"

        async def meet(chat: str, address: Address) -> None:
            async with places:
                found = await self._ask(address, f"/v3/conversations/{quote(chat, safe='')}/pagedmembers?pageSize=50")
            people = [_text(each.get("name")) for each in found.get("members") or () if isinstance(each, dict)]
            people = sorted(filter(None, people))
            if people:
                names[chat] = ", ".join(people[:_SHOWN]) + (" …" if len(people) > _SHOWN else "")

        asked = [look(*each) for each in teams.items()] + [meet(*each) for each in chats.items()]
        tasks = [asyncio.create_task(each) for each in asked]
        if tasks:
            await asyncio.wait(tasks, timeout=_PATIENCE)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return names

    async def _ask(self, address: Address, path: str) -> dict[str, Any]:
        try:
            return await self._connector.call("GET", address.service_url, path, None, lane=path, patience=_PATIENCE)
        except Unsent as error:
            log.info("a name could not be looked up", error=type(error).__name__)
            return {}


def _text(found: object) -> str:
    return " ".join(found.split())[:100] if isinstance(found, str) else ""


def _unnamed(channel: Channel) -> str:
    return f"{'Chat' if channel.kind == 'group' else 'Channel'} {channel.id[3:11]}"
