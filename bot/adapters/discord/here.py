"""What moderators chose about the bot itself, here or in the whole server: where it answers, and who else is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.adapters.discord.hearing import person_of, place
from bot.messages import Channel, Person

if TYPE_CHECKING:
    from discord.abc import Snowflake

    from storage import Store

__all__ = ["OWN", "Chosen", "Here"]

log = structlog.get_logger(__name__)

OWN = "@discord"  # in the place of a skill's name, which has no such letter


@dataclass(frozen=True, slots=True)
class Chosen:
    """`threads` says that each question in a channel gets a thread of its own; `roles` are ids of moderators' roles."""

    threads: bool = False
    roles: frozenset[str] = frozenset()


class Here:
    """Reads and writes it. `roles` are those that the operator has named for every server."""

    def __init__(self, store: "Store", roles: tuple[str, ...]) -> None:
        self._store = store
        self.roles = frozenset(roles)

    async def chosen(self, channel: Channel) -> Chosen:
        """What goes for this channel; the defaults where storage cannot say."""
        if not channel.tenant:
            return Chosen(roles=self.roles)
        try:
            found: Mapping[str, Any] = await self._store.chosen(
                (channel.platform, channel.tenant, channel.settings_id), OWN
            )
        except Exception as error:  # noqa: BLE001 - whatever storage raises, nobody is a moderator for it
            log.warning("what was chosen could not be read", error=type(error).__name__)
            found = {}
        roles = found.get("roles", ())
        named = frozenset(str(role) for role in roles) if isinstance(roles, list) else frozenset()
        return Chosen(found.get("threads") is True, self.roles | named)

    async def choose(self, channel: Channel, chosen: Mapping[str, Any], *, everywhere: bool) -> None:
        """Set it. Who may is asked before."""
        key = (channel.platform, channel.tenant, "" if everywhere else channel.settings_id)
        await self._store.choose(key, OWN, {**await self._store.chosen_at(key, OWN), **chosen})

    async def person(self, user: discord.User | discord.Member, room: "Snowflake", locale: str = "") -> Person:
        """Who this is, here."""
        guild = getattr(user, "guild", None)
        chosen = await self.chosen(place(room, guild.id if guild else None))
        return person_of(user, room, roles=chosen.roles, locale=locale)
