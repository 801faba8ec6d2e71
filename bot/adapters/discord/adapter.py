"""What the core sees of Discord.

discord.py is imported only once it is known that Discord is switched on: it costs a quarter of a second.
"""

from typing import TYPE_CHECKING

from bot.adapter import Adapter, AdapterOff, Host, Limits
from bot.adapters.discord.pace import FOR_GROWTH, FOR_TYPING, Pace
from bot.messages import Attachment, Channel, Reply

if TYPE_CHECKING:
    from bot.config import Config
    from storage import Store

__all__ = ["Discord"]

PORTAL = "https://discord.com/developers/applications"


class Discord(Adapter):
    """Answers when it is mentioned, replied to, or written to in private. Needs no privileged intent."""

    name = "discord"

    def __init__(self, config: "Config", store: "Store") -> None:
        """Raise `AdapterOff` when there is no usable DISCORD_TOKEN."""
        super().__init__(config, store)
        token = config.discord_token.get_secret_value().removeprefix("Bot ").strip() if config.discord_token else ""
        if not token:
            raise AdapterOff(f"set DISCORD_TOKEN: {PORTAL} → your application → Bot → Reset Token")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise AdapterOff(f"DISCORD_TOKEN is not a token: copy it again from {PORTAL} → your application → Bot")

        from bot.adapters.discord.connection import Connection
        from bot.adapters.discord.notes import Notes

        self._connection = Connection(token, config.discord_api, Notes(store))
        self._pace = Pace()

    @property
    def greeting(self) -> str:
        return "on: mention the bot in a channel, reply to it, or write to it directly"

    @property
    def trouble(self) -> str:
        return self._connection.trouble

    def limits(self, channel: Channel) -> Limits:
        return Limits(
            characters=2000,
            attachments=10,
            attachment_bytes=self._connection.upload_limit(channel),
            pace=1.2,  # Discord allows five edits in five seconds in a channel; one is kept for the end
            typing=8.0,  # the sign lasts ten seconds
            once=True,
        )

    async def run(self, host: Host) -> None:
        """Listen until cancelled. Raises `AdapterOff` when Discord refuses the token."""
        await self._connection.run(host)

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        from bot.adapters.discord.showing import post

        await self._pace.place()
        return await self._connection.persist(channel, lambda client: post(client, channel, reply, answers, nonce))

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Replace text, footer and buttons; files too if `reply` brings any, else those that are there stay."""
        from bot.adapters.discord.showing import edit

        if not reply.running:
            await self._pace.place()
        elif not self._pace.spare(FOR_GROWTH):
            return  # the next step shows this one too, and the end shows everything
        await self._connection.persist(channel, lambda client: edit(client, channel, message_id, reply))

    async def read(self, channel: Channel, attachment: Attachment, limit: int) -> bytes:
        from bot.adapters.discord.downloads import download

        return await download(self._connection, attachment, limit)

    async def typing(self, channel: Channel) -> None:
        if self._pace.spare(FOR_TYPING):
            await self._connection.show_typing(channel)
