"""Where an answer is shown: in the channel, through the token of a command, or in private when both are closed.

A command is answered in the place that Discord holds open for it, which is one message, and editing it again changes
nothing. What follows goes to the channel, where a nonce keeps it from being shown twice; only where the bot has no
channel (an answer for one person's eyes, a server it was not invited to) it goes through the token as well.
"""

import hashlib

from bot.adapter import Gone
from bot.adapters.discord import showing, through
from bot.adapters.discord.connection import Connection
from bot.adapters.discord.tokens import Opened, Tokens
from bot.messages import Channel, Reply

__all__ = ["Answering"]


class Answering:
    """Posts, edits and removes. Each call may be repeated."""

    def __init__(self, connection: Connection, tokens: Tokens) -> None:
        self._connection = connection
        self._tokens = tokens

    async def post(self, channel: Channel, reply: Reply, answers: str, nonce: str) -> str:
        """Show a new message and return its id. Raises `Gone` or `PostFailed`."""
        opened = self._tokens.answering(answers)
        if opened is None:
            return await self._in_channel(channel, reply, answers, nonce)
        if known := opened.shown.get(nonce):
            await self.edit(channel, known, reply)
            return known
        message_id = await self._opened(channel, opened, reply, nonce)
        opened.shown[nonce] = message_id
        opened.first = False
        await self._tokens.keep(opened)
        return message_id

    async def _opened(self, channel: Channel, opened: Opened, reply: Reply, nonce: str) -> str:
        if self._tokens.alive(opened) and (opened.first or opened.alone):
            show = through.edit_original if opened.first else through.follow_up
            try:
                message_id = await self._connection.persist(
                    channel, lambda client: show(client, opened, reply), through_token=True
                )
            except through.Closed:
                self._tokens.end(opened)
            else:
                opened.original = opened.original or (message_id if opened.first else "")
                return message_id
        if opened.alone:
            return await self._in_private(opened, reply, nonce)
        return await self._in_channel(channel, reply, opened.original, nonce, opened.locale)

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Make a message show something else. Raises `Gone` or `PostFailed`."""
        opened = self._tokens.showing(message_id)
        if opened is not None and self._tokens.alive(opened):
            try:
                await self._connection.persist(
                    channel,
                    lambda client: through.edit_through(client, opened, message_id, reply),
                    through_token=True,
                )
            except through.Closed:
                self._tokens.end(opened)
            else:
                return
        if opened is not None and opened.alone:
            if not reply.running:
                await self._in_private(opened, reply, hashlib.sha256(message_id.encode()).hexdigest()[:24])
            return
        locale = self._connection.locale(channel)
        await self._connection.persist(channel, lambda client: showing.edit(client, channel, message_id, reply, locale))

    async def remove(self, channel: Channel, message_id: str) -> None:
        """Take a message away. Raises `Gone` or `PostFailed`."""
        opened = self._tokens.showing(message_id)
        if opened is not None and opened.alone:
            if not self._tokens.alive(opened):
                raise Gone("the interaction is over, and nothing of it can be changed")
            await self._connection.persist(
                channel, lambda client: through.delete_through(client, opened, message_id), through_token=True
            )
            return
        await self._connection.persist(channel, lambda client: showing.remove(client, channel, message_id))

    async def _in_channel(self, channel: Channel, reply: Reply, answers: str, nonce: str, locale: str = "") -> str:
        locale = locale or self._connection.locale(channel)
        return await self._connection.persist(
            channel, lambda client: showing.post(client, channel, reply, answers, nonce, locale)
        )

    async def _in_private(self, opened: Opened, reply: Reply, nonce: str) -> str:
        """Write to the person: the place where they asked is closed by now, or was never open to the bot."""
        if not opened.person:
            raise Gone("the interaction is over, and nobody is known to have begun it")
        room = await self._connection.private_channel(opened.person)
        plain = Reply(reply.text, reply.attachments, reply.footer, running=reply.running)
        return await self._in_channel(room, plain, "", nonce, opened.locale)
