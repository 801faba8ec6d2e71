"""What people choose from a menu: entries on a message, commands beside the box they write in, and their dialogs.

A dialog is made from the skill's `Request` alone. What it asks for is answered as a message: in the conversation where
the bot is a member of it, else in the person's own chat with the bot.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from botbuilder.schema import Activity

from bot.adapter import Host
from bot.adapters.teams.addresses import Address, Addresses
from bot.adapters.teams.cards import dialog, fields_of, values_of, words
from bot.adapters.teams.chats import Chats
from bot.adapters.teams.events import channel_of, payload_of, person_of, when
from bot.adapters.teams.people import People
from bot.adapters.teams.playground import is_playground
from bot.adapters.teams.sending import ASKED
from bot.commands import Command
from bot.messages import Channel, Message, Quote
from bot.translations import translate

__all__ = ["Menus"]

Json = dict[str, Any]

_SHOWN = 300  # characters of the message that a dialog quotes
_ON_IT = "I am on it."
_IN_CHAT = "The answer comes in your own chat with me."
_NOWHERE = (
    "I am not in this conversation, and you have no chat with me yet. Add me as an app of your own, or to this "
    "conversation, and try again."
)
_UNKNOWN = "I do not know this command any more. Whoever runs this bot can renew its app package."


class Menus:
    """Opens dialogs, and passes on what was filled in. `commands` are what can be called.

    `asked` is told of each question: where, below which message its answer goes, and in which language it was asked.
    """

    def __init__(
        self,
        people: People,
        addresses: Addresses,
        chats: Chats,
        asked: Callable[[Channel, str, str], None],
        commands: Callable[[], tuple[Command, ...]],
    ) -> None:
        self._people = people
        self._addresses = addresses
        self._chats = chats
        self._asked = asked
        self._commands = commands

    async def opened(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """An entry of a message's menu, or a command, was chosen."""
        return self._form(str(value.get("commandId") or ""), payload_of(activity, value), person_of(activity).locale)

    async def asked_for(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """A button asks for a command's dialog."""
        data = value.get("data")
        named = data.get("command") if isinstance(data, dict) else ""
        return self._form(str(named or ""), None, person_of(activity).locale)

    async def submitted(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """The dialog of a menu was filled in. An empty answer closes it."""
        return await self.filled_in(host, activity, value, address)

    async def filled_in(self, host: Host, activity: Activity, value: Json, address: Address) -> Json:
        """A dialog was filled in, and what it asks for is heard like any other question."""
        data = value.get("data")
        data = data if isinstance(data, dict) else {}
        if data.get("close"):
            return {}
        named = str(data.get("command") or value.get("commandId") or "")
        command, ticket = self._command(named), _ticket(activity, data)
        if not named or command is None or not ticket:
            return _told(_UNKNOWN, person_of(activity).locale)
        quote = payload_of(activity, value)
        person = await self._people.surely(activity)
        found = await self._where(activity, address, private=command.private)
        if found is None:
            return _told(_NOWHERE, person.locale)
        channel, here = found
        request = values_of(command.request, data)
        text = str(request.get(command.request.words.name, "")) if command.request.words else ""
        below = quote.id if quote and here else ""
        self._asked(channel, below or f"{ASKED}{ticket}", person.locale)
        await host.heard(
            Message(
                f"{ASKED}{ticket}",
                channel,
                replace(person, moderator=person.moderator or channel.kind == "direct"),
                text,
                when(activity),
                quote=quote,
                skill=command.name,
                request=request,
                private=command.private,
                reply_to=below,
            )
        )
        if not here:
            return _told(_IN_CHAT, person.locale)
        if is_playground(activity.service_url):
            return _told(_ON_IT, person.locale)  # it closes no dialog, and takes an empty answer for a failure
        return {}  # here one sees it come: the dialog just closes

    def _form(self, named: str, quote: Quote | None, locale: str) -> Json:
        command = self._command(named)
        body: list[Json] = []
        if command is None:  # as a card, because not every client shows the words alone where a dialog should open
            body.append(words(translate(_UNKNOWN, locale)))
            return {"task": {"type": "continue", "value": dialog(named or "Parley", body)}}
        if quote is not None and quote.text:
            short = quote.text if len(quote.text) <= _SHOWN else f"{quote.text[:_SHOWN]}…"
            body.append({"type": "Container", "style": "emphasis", "items": [words(short, isSubtle=True, maxLines=4)]})
        body.append(words(translate(command.help, locale)))
        body += fields_of(command.request, locale)
        title = translate(command.menu or command.name.capitalize(), locale)
        data = {"command": command.name, "ticket": secrets.token_hex(16)}
        return {"task": {"type": "continue", "value": dialog(title, body, title, data)}}

    def _command(self, named: str) -> Command | None:
        """What a menu calls by this name, or by its words; without any, what one can always do: talk."""
        wanted = named.strip().casefold() or "chat"
        return next((each for each in self._commands() if wanted in (each.name, each.menu.casefold())), None)

    async def _where(self, activity: Activity, address: Address, *, private: bool) -> tuple[Channel, bool] | None:
        """Where to answer, and whether that is here."""
        channel = channel_of(activity)
        if channel.kind == "direct" or (not private and await self._addresses.reaches(channel, address)):
            await self._addresses.note(channel, address)
            return channel, True
        own = await self._chats.own(activity, address)
        return None if own is None else (own, False)


def _ticket(activity: Activity, data: Json) -> str:
    """What tells this filling in from others, should it be sent twice; empty where nothing does."""
    given = data.get("ticket")
    if given is None:  # not a dialog of ours, but one that a client makes from a list of parameters
        given = "".join(filter(str.isalnum, str(activity.id or "")))[:64]
    return given if isinstance(given, str) and given.isalnum() and len(given) <= 64 else ""


def _told(text: str, locale: str) -> Json:
    """A dialog that only says something."""
    return {"task": {"type": "message", "value": translate(text, locale)}}
