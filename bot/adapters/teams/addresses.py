"""Where each conversation is answered, kept in storage so that a restart does not lose the way back."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import structlog

from bot.adapters.teams.newest import keep
from bot.adapters.teams.own import NEW_POST, OWN, TeamsSettings
from bot.messages import Channel
from bot.policy import valid

if TYPE_CHECKING:
    from storage import Store

__all__ = ["Address", "Addresses"]

log = structlog.get_logger(__name__)

_KEPT = 2000
_LONG = 400.0  # days without a word after which a conversation is forgotten
_NOTED_AGAIN = 30  # days after which it is noted again that there was a word
_MOST_NOTES = 5000
_KINDS: dict[str, Literal["direct", "channel", "group"]] = {"channel": "channel", "groupChat": "group"}


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
    """The addresses of all conversations; those used last are in memory.

    What is about a single answer is kept for so many `days`, what is about a conversation for long after its last word.
    """

    def __init__(self, store: "Store", days: float) -> None:
        self._store = store
        self._days = days
        self._known: OrderedDict[str, tuple[Address, int]] = OrderedDict()
        self._teams: OrderedDict[str, tuple[bool, int]] = OrderedDict()
        self._moved: OrderedDict[str, tuple[bool, int]] = OrderedDict()
        self._erased = store.notes_erased
        self._writing = asyncio.Lock()

    async def find(self, channel: Channel) -> Address | None:
        """The address of a conversation, or None when nothing was ever heard from it."""
        name = _name(channel)
        known = self._known.get(name)
        if known is None:
            noted = await self._store.noted("teams", name)
            known = self._known.get(name)  # what was written meanwhile is newer
            if known is None:
                if noted is None:
                    return None
                known = _read(noted), int(noted.get("day", 0))
                keep(self._known, name, known, _KEPT)
        self._known.move_to_end(name)
        return known[0]

    async def note(self, channel: Channel, address: Address) -> None:
        """Something was heard from here: remember the address, unless it is known already."""
        if self._erased != self._store.notes_erased:
            self._erased = self._store.notes_erased  # what is remembered here may not be kept any more
            self._known = OrderedDict((name, (known, 0)) for name, (known, _) in self._known.items())
            self._teams.clear()
            self._moved.clear()
        known = await self.find(channel)
        if known is not None and known == _still(address, known, channel) and self._is_fresh(channel):
            return
        async with self._writing:
            known = await self.find(channel)
            await self._write(channel, _still(address, known, channel) if known else replace(address, welcomed=False))

    async def all(self) -> list[tuple[Channel, Address]]:
        """Every place that has settings of its own and that the bot is still in: channels without their threads."""
        found: dict[tuple[str, str], tuple[Channel, Address]] = {}
        for name, noted in (await self._store.notes_from("teams", "conversation ", _MOST_NOTES)).items():
            address, (_, tenant, conversation) = _read(noted), name.split(" ", 2)
            own = conversation.partition(";messageid=")[0]
            kind = _KINDS.get(address.kind, "direct")
            if not address.gone:
                found[tenant, own] = Channel("teams", own, tenant, kind), address
        return list(found.values())

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
        known, day = self._teams.get(name, (None, 0))
        if known != there or not _is_fresh(day):
            days = _LONG if there else self._days
            await self._store.note("teams", name, {"in": there}, days=days, tenant=tenant)
            keep(self._teams, name, (there, _today()), _KEPT)

    async def apart(self, channel: Channel) -> bool:
        """Whether answers in this thread are to be posts of their own in the channel around it."""
        if channel.kind != "thread":
            return False
        try:
            chosen = await self._store.chosen((channel.platform, channel.tenant, channel.settings_id), OWN)
        except Exception as error:  # noqa: BLE001 - whatever storage raises, an answer has its place
            log.warning("where answers go could not be read", error=type(error).__name__)
            return False
        return valid(TeamsSettings, chosen).replies == NEW_POST

    async def _has_moved(self, channel: Channel) -> bool:
        """Whether any answer of this channel was ever a post of its own."""
        name = _moves(channel)
        moved, day = self._moved.get(name, (False, 0))
        if not _is_fresh(day):
            moved = await self._store.noted("teams", name) is not None
            if moved:
                await self._note_moves(channel)  # it is of use: keep it for longer
            keep(self._moved, name, (moved, _today()), _KEPT)
        return moved

    async def _note_moves(self, channel: Channel) -> None:
        place: dict[str, Any] = {"days": _LONG, "tenant": channel.tenant, "channel": channel.settings_id}
        await self._store.note("teams", _moves(channel), {"moved": True}, **place)
        keep(self._moved, _moves(channel), (True, _today()), _KEPT)

    async def moved(self, channel: Channel, message_id: str) -> None:
        """An answer from this thread was shown as a post of its own in the channel around it."""
        about: dict[str, Any] = {"days": self._days, "tenant": channel.tenant, "channel": channel.id}
        about["message"] = message_id
        if not await self._has_moved(channel):
            await self._note_moves(channel)
        await self._store.note("teams", _place(channel, message_id), {"conversation": channel.parent}, **about)
        post = f"{channel.parent};messageid={message_id}"
        await self._store.note("teams", f"origin {channel.tenant} {post}", {"channel": channel.id}, **about)

    async def place(self, channel: Channel, message_id: str) -> str:
        """The conversation that this message of the bot's is really in."""
        if channel.kind != "thread" or not await self._has_moved(channel):
            return channel.id
        noted = await self._store.noted("teams", _place(channel, message_id))
        return str(noted["conversation"]) if noted else channel.id

    async def origin(self, channel: Channel) -> Channel:
        """The thread that an answer came from, where it is shown as a post of its own in this one."""
        if channel.kind != "thread" or not await self._has_moved(channel):
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
        if await self.find(channel) == address and self._is_fresh(channel):
            return
        name, today = _name(channel), _today()
        days = self._days if address.gone else _LONG
        await self._store.note(
            "teams", name, asdict(address) | {"day": today}, days=days, tenant=channel.tenant, channel=channel.id
        )
        keep(self._known, name, (address, today), _KEPT)

    def _is_fresh(self, channel: Channel) -> bool:
        return _is_fresh(self._known[_name(channel)][1])


def _today() -> int:
    return int(time.time() // 86400)


def _is_fresh(day: int) -> bool:
    """Whether what was noted that day need not be noted again to last."""
    return 0 <= _today() - day < _NOTED_AGAIN


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


def _moves(channel: Channel) -> str:
    return f"moved {channel.tenant} {channel.settings_id}"


def _read(noted: dict[str, Any]) -> Address:
    known = {each.name for each in fields(Address)}
    return Address(**{name: value for name, value in noted.items() if name in known})
