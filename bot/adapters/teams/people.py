"""Who somebody is here, and whether they decide: owners of a team or a chat do, and whom the operator names."""

from collections.abc import Iterable

from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.events import channel_of, person_of, team_id_of, team_of, tenant_of
from bot.adapters.teams.graph import Graph
from bot.adapters.teams.places import Places
from bot.messages import Person

__all__ = ["People"]


class People:
    """Everybody, as Teams and Graph vouch for them."""

    def __init__(
        self,
        places: Places,
        graph: Graph | None,
        moderators: Iterable[str],
    ) -> None:
        self._places = places
        self._graph = graph
        self._moderators = frozenset(each.lower() for each in moderators)

    def at_once(self, activity: Activity) -> bool | None:
        """Whether who did this decides here, as far as that is known; None for a chat of their own."""
        if channel_of(activity).kind == "direct":
            return None
        if self.named(activity):
            return True
        place = self._place(activity)
        return bool(self._graph and place and self._graph.known(tenant_of(activity), place, _aad(activity)))

    async def soon(self, host: Host, activity: Activity) -> bool | None:
        """As `at_once`; but where something is for moderators only, whether they decide is asked for."""
        decides = self.at_once(activity)
        if decides is not False or self._graph is None:
            return decides
        chosen = await host.choices(channel_of(activity))
        if all(each.get("who") != "moderators" for each in chosen.values()):
            return False
        return (await self.surely(activity)).moderator

    def added(self) -> None:
        """The bot was added somewhere: what it may know may be more than before."""
        if self._graph is not None:
            self._graph.ask_again()

    def named(self, activity: Activity) -> bool:
        """Whether the operator named who did this."""
        return _aad(activity).lower() in self._moderators

    async def surely(self, activity: Activity) -> Person:
        """Who did this; whether they decide is asked for. Failing that, they do not."""
        if channel_of(activity).kind == "direct" or self.named(activity):
            return person_of(activity, moderator=True)
        owner = False
        if self._graph is not None and _aad(activity):
            place = self._place(activity) or await self._ask_for_team(activity)
            owner = bool(place) and await self._graph.owns(tenant_of(activity), place, _aad(activity))
        return person_of(activity, moderator=owner)

    def _place(self, activity: Activity) -> str:
        """What Graph calls the place, as far as the activity says it."""
        channel = channel_of(activity)
        if channel.kind == "group":
            return f"chats/{channel.id}"
        self._places.learn(team_id_of(activity), team_of(activity))
        team = team_of(activity) or self._places.known(team_id_of(activity))
        return f"teams/{team}" if team else ""

    async def _ask_for_team(self, activity: Activity) -> str:
        team = await self._places.ask(activity.service_url, team_id_of(activity))
        return f"teams/{team}" if team else ""


def _aad(activity: Activity) -> str:
    sender = activity.from_property
    return str(sender.aad_object_id or "") if sender is not None else ""
