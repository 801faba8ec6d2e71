"""Buttons that were pressed, however Teams says so: as an invoke, as a message of an old client, or by their label."""

from dataclasses import replace
from typing import Any

from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.addresses import Addresses
from bot.adapters.teams.cards import pressed_in
from bot.adapters.teams.events import channel_of, person_of, when
from bot.adapters.teams.offered import Offered
from bot.adapters.teams.people import People
from bot.messages import Press
from bot.translations import translate

__all__ = ["Presses", "press_of", "sign_of"]


class Presses:
    """Passes presses on to the core, with who pressed and whether they decide here."""

    def __init__(self, people: People, addresses: Addresses, offered: Offered) -> None:
        self._people = people
        self._addresses = addresses
        self._offered = offered

    async def take(self, host: Host, activity: Activity, press: Press) -> tuple[str, bool]:
        """A sentence for who pressed, in their language, or nothing; and whether an answer was stopped by it."""
        channel = await self._addresses.origin(press.channel)
        # Who asked need not wait until it is known who owns the place.
        person = person_of(activity, moderator=self._people.at_once(activity))
        if press.action == "stop" and await host.stop(channel, press.message_id, person):
            return "", True
        if press.action == "regenerate" and await self._offered.asker(channel, press.message_id) == person.id:
            person = person_of(activity, moderator=await self._people.soon(host, activity))
        elif not person.moderator:
            person = await self._people.surely(activity)
        said = await host.pressed(replace(press, channel=channel, person=person))
        return translate(said, person.locale), press.action == "stop" and not said


def press_of(activity: Activity, data: Any) -> Press | None:
    """The press of a button of ours, or None for any other."""
    meant = pressed_in(data)
    if meant is None:
        return None
    action, answer = meant
    return Press(sign_of(activity), channel_of(activity), person_of(activity), answer, action, when(activity))


def sign_of(activity: Activity) -> str:
    """What tells this press from others: Teams' id, or what comes closest to one."""
    sender = activity.from_property.id if activity.from_property else ""
    return str(activity.id or f"{sender} {when(activity).isoformat()}")[:200]
