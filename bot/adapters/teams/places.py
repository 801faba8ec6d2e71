"""What Graph calls a conversation: a chat by its own id, a channel by its team's Entra id."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import structlog

from bot.adapters.teams.addresses import Address
from bot.adapters.teams.connector import Connector, Unsent
from bot.adapters.teams.newest import keep
from bot.messages import Channel

__all__ = ["Place", "Places"]

log = structlog.get_logger(__name__)

_KEPT = 2000
_SECONDS = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where a conversation is, for Graph. `root` is the post that a thread hangs on, empty where there is none.

    `members` is whose members may read it. `messages` begins the path of what was said there.
    """

    tenant: str
    members: str
    messages: str
    root: str = ""


class Places:
    """Finds places; the teams that were asked about last are remembered."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self._teams: OrderedDict[str, str] = OrderedDict()

    async def find(self, channel: Channel, address: Address) -> Place | None:
        """The place of a conversation; None for a chat with the bot alone, and where Teams does not tell."""
        if channel.kind == "direct":
            return None
        if channel.kind == "group":
            chat = quote(channel.id, safe="")
            return Place(channel.tenant, f"chats/{channel.id}", f"chats/{chat}/messages")
        team = self.known(address.team) or await self.ask(address.service_url, address.team)
        if not team:
            return None
        own = channel.settings_id
        # Everybody in a team reads its standard channels; who reads another one, its own members say.
        standard = address.sort == "standard" or own == address.team
        members = f"teams/{team}" if standard else f"teams/{team}/channels/{own}"
        messages = f"teams/{quote(team, safe='')}/channels/{quote(own, safe='')}/messages"
        root = channel.id.partition(";messageid=")[2]
        return Place(channel.tenant, members, messages, root if root.isdecimal() else "")

    def known(self, team_id: str) -> str:
        """The Entra id of a team, if it is known."""
        return self._teams.get(team_id, "")

    def learn(self, team_id: str, group: str) -> None:
        """This is the Entra id of a team."""
        if team_id and group and self._teams.get(team_id) != group:
            keep(self._teams, team_id, group, _KEPT)

    async def ask(self, service_url: str, team_id: str) -> str:
        """The Entra id of a team by the word of Teams; empty when it does not say so in time."""
        if not team_id:
            return ""
        path = f"/v3/teams/{quote(team_id, safe='')}"
        found: dict[str, Any] = {}
        try:
            async with asyncio.timeout(_SECONDS):
                found = await self._connector.call("GET", service_url, path, None, lane=f"team {team_id}", patience=3)
        except (Unsent, TimeoutError) as error:
            log.warning("a team could not be looked up", error=type(error).__name__)
        group = found.get("aadGroupId")
        if not isinstance(group, str):
            return ""
        self.learn(team_id, group)
        return group
