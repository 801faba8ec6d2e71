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
    """How to reach a conversation. `gone` once Teams said that the bot is no longer in it.

    `sort` is what Teams says a channel is, where it does: `standard`, `private` or `shared`.
    `locale` is the language of whoever speaks to the bot there; where many do, of whoever did first.
    """

    service_url: str
    channel_id: str
    conversation: str
    kind: str
    tenant: str
    bot_id: str
    bot_name: str
    gone: bool = False
    welcomed: bool = False
    team: str = ""
    sort: str = ""
    locale: str = ""


class Addresses:
    """The addresses of all conversations; those used last are in memory."""

    def __init__(self, store: "Store") -> None:
        self._store = store
        self._known: OrderedDict[str, Address] = OrderedDict()
        self._teams: OrderedDict[str, bool] = OrderedDict()
        self._styles: OrderedDict[str, str] = OrderedDict()
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
        known = await self.find(channel)
        if known is not None and known == _still(address, known, channel):
            return
        async with self._writing:
            known = await self.find(channel)
            await self._write(channel, _still(address, known, channel) if known else replace(address, welcomed=False))

    async def welcome(self, channel: Channel, address: Address) -> bool:
        """The bot was added here: remember the address. True once, so that it is greeted once."""
        async with self._writing:
            known = await self.find(channel)
            if known is not None and known.welcomed and not known.gone:
                return False
            if known is not None:
                address = _still(address, known, channel)
            await self._write(channel, replace(address, welcomed=True))
            return True

    async def reaches(self, channel: Channel, address: Address) -> bool:
        """Whether the bot is in this conversation; of a channel, whether it is known to be in its team."""
        known = await self.find(channel)
        if known is not None and (known.gone or not address.team):
            return not known.gone
        if not address.team:
            return False
        team = await self._store.noted("teams", _team(channel.tenant, address.team))
        return bool(team.get("in")) if team else known is not None

    async def belongs(self, tenant: str, team: str, *, there: bool) -> None:
        """The bot is in this team, or no longer."""
        name = _team(tenant, team)
        if self._teams.get(name) != there:
            await self._store.note("teams", name, {"in": there})
            self._teams[name] = there
            while len(self._teams) > _KEPT:
                self._teams.popitem(last=False)

    async def choose(self, channel: Channel, style: str) -> None:
        """How this channel wants its answers: in the question's thread, or as new posts."""
        await self._store.note("teams", _style(channel), {"style": style})
        self._styles[_style(channel)] = style

    async def chosen(self, channel: Channel) -> str:
        """What was chosen for this channel; empty for nothing."""
        name = _style(channel)
        style = self._styles.get(name)
        if style is None:
            noted = await self._store.noted("teams", name)
            style = self._styles[name] = str(noted.get("style", "")) if noted else ""
            while len(self._styles) > _KEPT:
                self._styles.popitem(last=False)
        return style

    async def moved(self, channel: Channel, message_id: str) -> None:
        """An answer from this thread was shown as a post of its own in the channel around it."""
        await self._store.note("teams", _place(channel, message_id), {"conversation": channel.parent})
        post = f"{channel.parent};messageid={message_id}"
        await self._store.note("teams", f"origin {channel.tenant} {post}", {"channel": channel.id})

    async def place(self, channel: Channel, message_id: str) -> str:
        """The conversation that this message of the bot's is really in."""
        if channel.kind != "thread" or not await self.chosen(channel):
            return channel.id
        noted = await self._store.noted("teams", _place(channel, message_id))
        return str(noted["conversation"]) if noted else channel.id

    async def origin(self, channel: Channel) -> Channel:
        """The thread that an answer came from, where it is shown as a post of its own in this one."""
        if channel.kind != "thread" or not await self.chosen(channel):
            return channel
        noted = await self._store.noted("teams", f"origin {channel.tenant} {channel.id}")
        return replace(channel, id=str(noted["channel"])) if noted else channel

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


def _still(address: Address, known: Address, channel: Channel) -> Address:
    """What is known of a conversation and not said each time, said again."""
    keeps = known.locale and (channel.kind != "direct" or not address.locale)
    return replace(
        address,
        welcomed=known.welcomed,
        sort=address.sort or known.sort,
        locale=known.locale if keeps else address.locale,
    )


def _name(channel: Channel) -> str:
    return f"conversation {channel.tenant} {channel.id}"


def _team(tenant: str, team: str) -> str:
    return f"team {tenant} {team}"


def _place(channel: Channel, message_id: str) -> str:
    return f"place {channel.tenant} {channel.id} {message_id}"


def _style(channel: Channel) -> str:
    return f"replies {channel.tenant} {channel.settings_id}"


def _read(noted: dict[str, Any]) -> Address:
    known = {each.name for each in fields(Address)}
    return Address(**{name: value for name, value in noted.items() if name in known})
