"""What can be called and what can be set, for the page's menus and its settings."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import web

from bot.adapter import Host
from bot.adapters.web.access import Refused
from bot.adapters.web.forms import command_facts, form_facts, known_fields, mistakes
from bot.adapters.web.places import OWNER, channel_of, is_new_id, json_answer, refusing
from bot.adapters.web.uploads import read_json
from bot.commands import Command, titled
from bot.errors import UserError
from bot.messages import Channel

__all__ = ["SettingsRoutes"]


class SettingsRoutes:
    """What can be set: for one conversation of the page or for all, and for every community that the bot is in."""

    def __init__(self, there: Callable[[], Host], commands: Callable[[], Sequence[Command]]) -> None:
        self._there = there
        self._commands = commands

    async def commands(self, request: web.Request) -> web.StreamResponse:
        """Everything that can be called."""
        return json_answer({"commands": [command_facts(each) for each in self._commands()]})

    async def communities(self, request: web.Request) -> web.StreamResponse:
        """Where the bot is besides the page."""
        with refusing("show where the bot is"):
            found = await self._there().communities(OWNER)
        return json_answer(
            {
                "communities": [
                    {
                        "platform": each.platform,
                        "tenant": each.id,
                        "name": each.name,
                        "channels": [{"id": channel.id, "name": channel.name} for channel in each.channels],
                        "roles": [{"id": role, "name": name} for role, name in each.roles],
                    }
                    for each in found
                ]
            }
        )

    async def settings(self, request: web.Request) -> web.StreamResponse:
        """Everything that can be set in a place, with what is set."""
        with refusing("show the settings"):
            host = self._there()
            channel = await _place(host, request.query)
            settable = host.settable(channel)
            values, origins = await host.choices(channel), await host.origins(channel)
        topics = [
            {
                "name": each.name,
                "title": titled(each.name, ""),
                "help": each.help,
                "form": form_facts(each.settings),
                "values": dict(values.get(each.name, {})),
                "origins": dict(origins.get(each.name, {})),
            }
            for each in settable
        ]
        return json_answer({"topics": topics})

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Set something. What cannot be so is answered with a sentence for each field."""
        asked = await read_json(request)
        name, chosen, reset = str(asked.get("topic", "")), asked.get("chosen", {}), asked.get("reset", [])
        with refusing("change a setting"):
            host = self._there()
            channel = await _place(host, asked)
            command = next((each for each in host.settable(channel) if each.name == name), None)
            if command is None or not isinstance(chosen, dict) or not isinstance(reset, list):
                raise Refused(400, "There is no such setting any more. Load the page again.")
            given: dict[str, Any] = known_fields(command.settings, chosen)
            if isinstance(chosen.get("enabled"), bool):
                given["enabled"] = chosen["enabled"]
            back = [str(each) for each in reset]
            try:
                await host.configure(channel, OWNER, name, given, everywhere=not channel.id, reset=back)
            except UserError as error:
                found = mistakes(error, command.settings)
                return json_answer({"error": found.pop("", ""), "fields": found}, status=422)
            values, origins = await host.choices(channel), await host.origins(channel)
        return json_answer({"values": dict(values.get(name, {})), "origins": dict(origins.get(name, {}))})


async def _place(host: Host, asked: Mapping[str, Any]) -> Channel:
    """What settings are asked for: a conversation of the page, a channel elsewhere; with an empty id, all of them."""
    platform, tenant, wanted = (str(asked.get(name, "")) for name in ("platform", "tenant", "channel"))
    if not platform:
        room = str(asked.get("room", ""))
        if room and not is_new_id(room):
            raise Refused(404, "There is no such conversation.")
        return channel_of(room)
    for each in await host.communities(OWNER):
        if (each.platform, each.id) == (platform, tenant):
            if not wanted:
                return Channel(platform, "", tenant)
            if channel := next((one for one in each.channels if one.id == wanted), None):
                return channel
    raise Refused(404, "I am not there any more. Load the page again.")
