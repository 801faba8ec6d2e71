"""What can be called and what can be set, for the page's menus and its settings."""

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from bot.adapter import Host
from bot.adapters.web.access import Refused
from bot.adapters.web.forms import command_facts, form_facts, known_fields, mistakes
from bot.adapters.web.places import OWNER, channel_of, is_new_id, json_answer, refusing
from bot.adapters.web.uploads import read_json
from bot.commands import Command
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
        with refusing("show the settings"):
            chosen = await self._there().choices(channel_of(room))
        skills = [
            {
                "name": each.name,
                "help": each.help,
                "form": form_facts(each.settings),
                "values": dict(chosen.get(each.name, {})),
            }
            for each in self._commands()
        ]
        return json_answer({"room": room, "skills": skills})

    async def choose(self, request: web.Request) -> web.StreamResponse:
        """Set something. What cannot be so is answered with a sentence for each field."""
        asked = await read_json(request)
        room = _room(str(asked.get("room", "")))
        name, chosen = str(asked.get("skill", "")), asked.get("chosen")
        command = next((each for each in self._commands() if each.name == name), None)
        if command is None or not isinstance(chosen, dict):
            raise Refused(400, "There is no such setting any more. Load the page again.")
        values: dict[str, Any] = known_fields(command.settings, chosen)
        if isinstance(chosen.get("enabled"), bool):
            values["enabled"] = chosen["enabled"]
        host, channel = self._there(), channel_of(room)
        with refusing("change a setting"):
            try:
                await host.configure(channel, OWNER, name, values, everywhere=not room)
            except UserError as error:
                found = mistakes(error, command.settings)
                return json_answer({"error": found.pop("", ""), "fields": found}, status=422)
            now = await host.choices(channel)
        return json_answer({"values": dict(now.get(name, {}))})


def _room(room: str) -> str:
    if room and not is_new_id(room):
        raise Refused(404, "There is no such conversation.")
    return room
