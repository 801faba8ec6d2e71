"""What the core sees of Discord.

discord.py is imported only once it is known that Discord is switched on: it costs a quarter of a second.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

import structlog

from bot.adapter import Adapter, AdapterOff, Community, Examined, Host, Limits, Step
from bot.adapters.discord.settings import DiscordSettings
from bot.messages import Attachment, Channel, Person, Reply, Said

if TYPE_CHECKING:
    from datetime import datetime

    from bot.config import Config
    from storage import Store

__all__ = ["Discord"]

log = structlog.get_logger(__name__)

PACE = 1.2  # seconds between two steps: Discord allows five edits in five seconds in a channel, and one is kept
PORTAL = "https://discord.com/developers/applications"


class Discord(Adapter):
    """Answers when it is mentioned, replied to, or written to in private. Needs no privileged intent."""

    name = "discord"
    settings_type = DiscordSettings

    def __init__(self, config: "Config", store: "Store") -> None:
        """Raise `AdapterOff` when there is no usable DISCORD_TOKEN."""
        super().__init__(config, store)
        self._token = token = _token_of(config)
        from bot.adapters.discord.answering import Answering
        from bot.adapters.discord.connection import Connection
        from bot.adapters.discord.desk import Desk
        from bot.adapters.discord.here import Here
        from bot.adapters.discord.loops import Loops
        from bot.adapters.discord.notes import Notes
        from bot.adapters.discord.tokens import Tokens

        notes = Notes(store)
        self._desk = Desk(notes, Tokens(notes), Here(store, config.discord_moderator_roles))
        self._desk.development, self._desk.content = config.discord_guild, config.discord_content
        self._desk.loops = Loops(config.discord_bots)
        self._connection = Connection(token, config.discord_api, self._desk)
        self._answering = Answering(self._connection, self._desk)

    @property
    def greeting(self) -> str:
        return "on: mention the bot in a channel, reply to it, write to it directly, or type /"

    @property
    def trouble(self) -> str:
        return self._connection.trouble

    def facts(self) -> dict[str, float]:
        return self._connection.facts()

    def limits(self, channel: Channel) -> Limits:
        return Limits(
            characters=2000,
            attachments=10,
            attachment_bytes=self._connection.upload_limit(channel),
            pace=PACE,
            typing=8.0,  # the sign lasts ten seconds
            once=True,
            buttons=5,
            messages=5,
        )

    def shape(self, text: str) -> str:
        from bot.adapters.discord.rendering import rendered

        return rendered(text)

    async def finish(self, text: str) -> tuple[str, tuple[Attachment, ...]]:
        from bot.adapters.discord.formulas import illustrated

        numbered, pictures = await illustrated(text)
        return self.shape(numbered), pictures

    async def run(self, host: Host) -> None:
        """Listen until cancelled. Raises `AdapterOff` when Discord refuses the token."""
        self._desk.commands = self.commands
        await self._connection.run(host)

    async def ready(self, channel: Channel, step: Step, answers: str) -> bool:
        await self._desk.tokens.known()
        pace, opened = self._desk.pace, self._desk.tokens.answering(answers)
        if opened is not None and self._desk.tokens.alive(opened) and (opened.first or opened.alone):
            # Discord counts apart what goes through the token, and shows by itself that the bot is thinking.
            return step != "sign"
        match step:
            case "sign":
                await pace.sign(channel.id)
            case "begin":
                await pace.begin(channel.id)
            case "grow":
                await pace.grow(channel.id, answers, PACE)
            case "end":
                await pace.end(channel.id, answers)
        return True

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        return await self._answering.post(channel, reply, answers, nonce)

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Replace text, footer and buttons; files too if `reply` brings any, else those that are there stay."""
        await self._answering.edit(channel, message_id, reply)

    async def remove(self, channel: Channel, message_id: str) -> None:
        await self._answering.remove(channel, message_id)

    async def earlier(
        self, channel: Channel, limit: int, since: "datetime | None", reader: Person
    ) -> tuple[Said, ...] | None:
        from bot.adapters.discord.history import earlier

        client = self._connection.client
        if client is None:
            return None
        return await earlier(client, channel, limit, since, reader, content=self._desk.content)

    async def examine(self) -> list[Examined]:
        from bot.adapters.discord.commands import offered
        from bot.adapters.discord.examining import examined

        names = [*(command.name for command in offered(self.commands)), "parley"]
        return await examined(
            self._token, content=self.config.discord_content, guild_id=self.config.discord_guild, names=names
        )

    async def invite(self) -> str:
        from bot.adapters.discord.examining import invited

        return await invited(self._token)

    async def communities(self) -> list[Community]:
        from bot.adapters.discord.communities import communities

        client = self._connection.client
        return communities(client.guilds) if client is not None else []

    def reload(self, config: "Config") -> Collection[str]:
        """Come with a new token."""
        try:
            token = _token_of(config)
        except AdapterOff as error:
            log.error("discord keeps its token", reason=str(error))
            return ()
        if token != self._token:
            self._token = token
            self._connection.use(token)
        return ("discord_token",)

    def link(self, channel: Channel, message_id: str) -> str:
        """The address of a message; nobody but their reader can open those in private."""
        return f"https://discord.com/channels/{channel.tenant or '@me'}/{channel.id}/{message_id}"

    async def read(self, channel: Channel, attachment: Attachment, limit: int) -> bytes:
        from bot.adapters.discord.downloads import download

        return await download(self._connection, attachment, limit)

    async def typing(self, channel: Channel) -> None:
        await self._connection.show_typing(channel)


def _token_of(config: "Config") -> str:
    """The token that is set. Raises `AdapterOff` when there is no usable one."""
    token = config.discord_token.get_secret_value().removeprefix("Bot ").strip() if config.discord_token else ""
    if not token:
        raise AdapterOff(f"set DISCORD_TOKEN: {PORTAL} → your application → Bot → Reset Token")
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise AdapterOff(f"DISCORD_TOKEN is not a token: copy it again from {PORTAL} → your application → Bot")
    return token
