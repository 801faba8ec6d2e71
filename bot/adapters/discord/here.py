"""What moderators chose about the bot itself, here or in the whole server: where it answers, and who else is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.adapters.discord.hearing import person_of, place
from bot.adapters.discord.settings import OWN, DiscordSettings
from bot.messages import Channel, Person
from bot.policy import ids_in, valid

if TYPE_CHECKING:
    from discord.abc import Snowflake

    from storage import Store

__all__ = ["Chosen", "Here"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Chosen:
    """`threads` says that each question in a channel gets a thread of its own; `roles` are ids of moderators' roles,
    and of moderators.
    """

    threads: bool = False
    roles: frozenset[str] = frozenset()


class Here:
    """Reads it. `roles` are those that the operator has named for every server."""

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
        chosen = valid(DiscordSettings, found)
        return Chosen(chosen.threads, self.roles | ids_in(chosen.roles))

    async def person(self, user: discord.User | discord.Member, room: "Snowflake", locale: str = "") -> Person:
        """Who this is, here."""
        guild = getattr(user, "guild", None)
        chosen = await self.chosen(place(room, guild.id if guild else None))
        return person_of(user, room, roles=chosen.roles, locale=locale)
