"""What can be called and what can be set, for the page's menus and its settings."""

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from bot.adapter import Host
from bot.adapters.web.access import Refused
from bot.adapters.web.forms import command_facts, form_facts, known_fields, mistakes
from bot.adapters.web.places import OWNER, channel_of, is_new_id, json_answer, refusing
from bot.adapters.web.uploads import read_json
from bot.commands import Command, titled
from bot.errors import UserError

__all__ = ["SettingsRoutes"]


class SettingsRoutes:
    """The settings of every skill, for one conversation or for all of the page."""

    def __init__(self, there: Callable[[], Host], commands: Callable[[], Sequence[Command]]) -> None:
        self._there = there
        self._commands = commands

    async def commands(self, request: web.Request) -> web.StreamResponse:
        """Everything that can be called."""
        return json_answer({"commands": [command_facts(each) for each in self._commands()]})

    async def settings(self, request: web.Request) -> web.StreamResponse:
        """Every skill with its settings and what is set; of the conversation `room`, or for all of the page."""
        room = _room(request.query.get("room", ""))
        channel = channel_of(room)
        with refusing("show the settings"):
            host = self._there()
            settable = host.settable(channel)
            values, origins = await host.choices(channel), await host.origins(channel)
        skills = [
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
        return json_answer({"room": room, "skills": skills})

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Set something. What cannot be so is answered with a sentence for each field."""
        asked = await read_json(request)
        room = _room(str(asked.get("room", "")))
        name, chosen, reset = str(asked.get("skill", "")), asked.get("chosen", {}), asked.get("reset", [])
        host, channel = self._there(), channel_of(room)
        command = next((each for each in host.settable(channel) if each.name == name), None)
        if command is None or not isinstance(chosen, dict) or not isinstance(reset, list):
            raise Refused(400, "There is no such setting any more. Load the page again.")
        given: dict[str, Any] = known_fields(command.settings, chosen)
        if isinstance(chosen.get("enabled"), bool):
            given["enabled"] = chosen["enabled"]
        back = [str(each) for each in reset]
        with refusing("change a setting"):
            try:
                await host.configure(channel, OWNER, name, given, everywhere=not room, reset=back)
            except UserError as error:
                found = mistakes(error, command.settings)
                return json_answer({"error": found.pop("", ""), "fields": found}, status=422)
            values, origins = await host.choices(channel), await host.origins(channel)
        return json_answer({"values": dict(values.get(name, {})), "origins": dict(origins.get(name, {}))})


def _room(room: str) -> str:
    if room and not is_new_id(room):
        raise Refused(404, "There is no such conversation.")
    return room
