"""Commands, menus, dialogs and buttons: each is answered at once, then told to the core.

Discord waits three seconds for the first answer to each of them, so that comes before anything that may take time.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog

from bot.adapter import Gone, Host, PostFailed
from bot.adapters.discord import screens, through
from bot.adapters.discord.asked import Asked, asked_by_command, message_of, subcommand, target_of, written
from bot.adapters.discord.commands import PARLEY, asks_first, menu_entries, offered
from bot.adapters.discord.hearing import place_asked
from bot.adapters.discord.here import Here
from bot.adapters.discord.panel import Panel
from bot.adapters.discord.publishing import publish
from bot.adapters.discord.showing import ACTION, PUBLISH
from bot.adapters.discord.tokens import Opened, Tokens
from bot.commands import Command
from bot.errors import UserError
from bot.messages import Channel, Press, Quote, Reply
from bot.translations import translate

if TYPE_CHECKING:
    from bot.adapters.discord.client import Client

__all__ = ["Interactions"]

log = structlog.get_logger(__name__)

GONE_COMMAND = "I do not know this command any more. Discord will forget it soon as well."
TROUBLE = "I could not take this in: there is a problem on my side. Please try again in a few minutes."
_CHANNEL_MESSAGE, _LATER, _LATER_IN_PLACE, _CHOICES, _MODAL = 4, 5, 6, 8, 9
_EPHEMERAL = 64
_ANSWERED = 40060  # by another process, or by this one before
_MOST_TARGETS = 200  # messages kept while somebody writes in a dialog what to do with them


class Interactions:
    """What one client hears of them. `commands` are what people can call."""

    def __init__(self, client: "Client", host: Host, commands: tuple[Command, ...], tokens: Tokens, here: Here) -> None:
        self._client = client
        self._host = host
        self._commands = {command.name: command for command in offered(commands)}
        self._menu = menu_entries(self._commands.values())
        self._tokens = tokens
        self._here = here
        self._targets: dict[str, Quote] = {}
        self._panel = Panel(client, host, self._commands.values(), here)

    async def take(self, interaction: discord.Interaction) -> None:
        """Whatever somebody did: answer Discord, then do it."""
        if interaction.channel is None:
            return
        data: Mapping[str, Any] = interaction.data or {}
        match interaction.type:
            case discord.InteractionType.application_command if data.get("type", 1) == 1:
                await self._slash(interaction, data)
            case discord.InteractionType.application_command:
                await self._menu_entry(interaction, data)
            case discord.InteractionType.autocomplete:
                await self._complete(interaction, data)
            case discord.InteractionType.component:
                await self._component(interaction, str(data.get("custom_id", "")))
            case discord.InteractionType.modal_submit:
                await self._dialog(interaction, str(data.get("custom_id", "")), written(data.get("components", ())))

    # Commands and menus

    async def _slash(self, interaction: discord.Interaction, data: Mapping[str, Any]) -> None:
        name = str(data.get("name", ""))
        if name == PARLEY:
            await self._panel.open(interaction, *subcommand(data))
            return
        command = self._commands.get(name)
        if command is None:
            await self._say(interaction, GONE_COMMAND)
            return
        await self._ask(interaction, command, asked_by_command(command, interaction))

    async def _menu_entry(self, interaction: discord.Interaction, data: Mapping[str, Any]) -> None:
        command = self._menu.get(str(data.get("name", "")))
        target = target_of(interaction)
        if command is None or target is None:
            await self._say(interaction, GONE_COMMAND)
            return
        if asks_first(command):
            self._targets[target.id] = target
            while len(self._targets) > _MOST_TARGETS:
                del self._targets[next(iter(self._targets))]
            await self._first(interaction, _MODAL, screens.question(command, target.id, str(interaction.locale)))
            return
        await self._ask(interaction, command, Asked({}, quote=target, private=command.private))

    async def _ask(self, interaction: discord.Interaction, command: Command, asked: Asked) -> None:
        """Hold its place open, keep its token, and pass the question on."""
        answered = await self._first(interaction, _LATER, {"flags": _EPHEMERAL} if asked.private else None)
        if answered is None or interaction.channel is None:
            return
        channel, opened = self._opened(interaction, private=asked.private, original=answered)
        author = await self._here.person(interaction.user, interaction.channel, str(interaction.locale))
        await self._tokens.keep(opened)
        await self._host.heard(message_of(interaction, command, asked, channel, author))

    async def _complete(self, interaction: discord.Interaction, data: Mapping[str, Any]) -> None:
        choices = self._panel.complete(interaction, data) if data.get("name") == PARLEY else self._choices(data)
        shown = [{"name": name[:100], "value": value[:100]} for name, value in choices[:25]]
        await self._first(interaction, _CHOICES, {"choices": shown})

    def _choices(self, data: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What can be chosen where there is more than Discord lists by itself."""
        command = self._commands.get(str(data.get("name", "")))
        focused = next((each for each in data.get("options", ()) if each.get("focused")), None)
        return screens.matching(command, focused) if command and focused else []

    # Buttons

    async def _component(self, interaction: discord.Interaction, custom_id: str) -> None:
        action = custom_id.removeprefix(ACTION)
        if action == custom_id or interaction.message is None:
            return  # not one of ours
        if self._panel.owns(action):
            await self._panel.press(interaction, action)
            return
        if action == PUBLISH:
            await publish(self._client, interaction)
            return
        if action == "bad":
            await self._first(interaction, _MODAL, screens.reason(str(interaction.locale)))
            await self._press(interaction, "bad", "")
            return
        if await self._first(interaction, _LATER_IN_PLACE, None) is None:
            return
        await self._adopt(interaction)
        await self._tell(interaction, await self._press(interaction, action, ""))

    async def _press(self, interaction: discord.Interaction, action: str, words: str) -> str:
        assert interaction.message
        assert interaction.channel
        message = interaction.message
        person = await self._here.person(interaction.user, interaction.channel, str(interaction.locale))
        channel = place_asked(interaction)
        private = message.flags.ephemeral
        press = Press(
            str(interaction.id), channel, person, str(message.id), action, interaction.created_at, words, private
        )
        try:
            return await self._host.pressed(press)
        except UserError as error:
            return str(error)
        except Exception:
            log.exception("a press could not be taken", action=action)
            return TROUBLE

    async def _adopt(self, interaction: discord.Interaction) -> None:
        """Where only a token reaches a message, the new one is what reaches it from now on."""
        assert interaction.message
        private = interaction.message.flags.ephemeral
        channel, opened = self._opened(interaction, private=private, original=str(interaction.message.id))
        if private or not self._client.is_in(channel):
            opened.answers, opened.first = str(interaction.message.id), False
            earlier = self._tokens.showing(opened.original)
            opened.shown = dict(earlier.shown) if earlier else {}
            await self._tokens.keep(opened)

    # Dialogs

    async def _dialog(self, interaction: discord.Interaction, custom_id: str, filled: dict[str, Any]) -> None:
        action, _, rest = custom_id.removeprefix(ACTION).partition(":")
        if self._panel.owns(action):
            await self._panel.save(interaction, custom_id.removeprefix(ACTION), filled)
        elif action == "why" and interaction.message is not None:
            if await self._first(interaction, _LATER_IN_PLACE, None) is not None:
                words = str(filled.get("why", "")).strip()
                await self._tell(interaction, await self._press(interaction, "bad", words))
        elif action == "ask":
            name, _, target_id = rest.partition(":")
            command = self._commands.get(name)
            if command is None:
                await self._say(interaction, GONE_COMMAND)
                return
            target = self._targets.pop(target_id, None) or Quote(target_id)
            request = screens.request_of(command, filled)
            await self._ask(interaction, command, Asked(request, quote=target, private=command.private))

    # Answers to Discord

    def _opened(self, interaction: discord.Interaction, *, private: bool, original: str) -> tuple[Channel, Opened]:
        assert interaction.channel
        channel = place_asked(interaction)
        return channel, Opened(
            answers=str(interaction.id),
            application=str(interaction.application_id),
            token=interaction.token,
            at=interaction.created_at.timestamp(),
            person=str(interaction.user.id),
            locale=str(interaction.locale),
            original=original,
            private=private,
            outside=not self._client.is_in(channel),
        )

    async def _first(self, interaction: discord.Interaction, kind: int, data: dict[str, Any] | None) -> str | None:
        """The first answer. Returns the id of the message that it made, or nothing; None when somebody else was first.

        Where Discord does not take it any more, or does not say, the work is done all the same: an answer finds its
        way without it.
        """
        try:
            answer = await through.respond(self._client, str(interaction.id), interaction.token, kind, data)
        except discord.HTTPException as error:
            log.warning("an interaction was not acknowledged", status=error.status, code=error.code)
            return None if error.code == _ANSWERED else ""
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("an interaction may not have been acknowledged", error=type(error).__name__)
            return ""
        resource: Mapping[str, Any] = answer.get("resource") or {}
        return str((resource.get("message") or {}).get("id", ""))

    async def _say(self, interaction: discord.Interaction, sentence: str) -> None:
        """One sentence for their eyes only, as the first answer."""
        content = translate(sentence, str(interaction.locale))
        await self._first(interaction, _CHANNEL_MESSAGE, {"content": content, "flags": _EPHEMERAL})

    async def _tell(self, interaction: discord.Interaction, sentence: str) -> None:
        """One sentence for their eyes only, after the first answer."""
        if not sentence:
            return
        channel, opened = self._opened(interaction, private=True, original="")
        try:
            await through.follow_up(self._client, opened, Reply(translate(sentence, opened.locale)))
        except (Gone, PostFailed, discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.info("a sentence could not be shown", channel=channel.id, error=type(error).__name__)
