"""Where an answer is shown: in the channel, through the token of a command, or in private when both are closed.

A command is answered in the place that Discord holds open for it, which is one message, and editing it again changes
nothing. What follows goes to the channel, where a nonce keeps it from being shown twice; only where the bot has no
channel (an answer for one person's eyes, a server it was not invited to) it goes through the token as well.
"""

import hashlib
from dataclasses import replace

import aiohttp
import discord
import structlog

from bot.adapter import Gone, PostFailed
from bot.adapters.discord import showing, through, voice
from bot.adapters.discord.connection import Connection
from bot.adapters.discord.desk import Desk
from bot.adapters.discord.tokens import Opened
from bot.markup import length
from bot.messages import Attachment, Channel, Reply
from bot.translations import translate

__all__ = ["Answering"]

log = structlog.get_logger(__name__)

MUTED = "🔇"  # put below a question that can be answered nowhere
NOT_THERE = "I may not write in {channel}, so you find my answer here."
_NOT_SPOKEN = frozenset({50013, 50160, 40005, 50035})  # a voice message that Discord does not take
_MOST_MOVED = 500
_CHARACTERS = 2000


class Answering:
    """Posts, edits and removes. Each call may be repeated."""

    def __init__(self, connection: Connection, desk: Desk) -> None:
        self._connection = connection
        self._desk = desk
        self._tokens = desk.tokens
        self._moved: dict[str, Channel] = {}  # messages that are elsewhere than the core thinks

    async def post(self, channel: Channel, reply: Reply, answers: str, nonce: str) -> str:
        """Show a new message and return its id. Raises `Gone` or `PostFailed`."""
        await self._know()
        sentence = self._desk.remarks.pop(answers, "")  # it is said once, below the first message
        sound, reply = self._apart(channel, self._remarked(channel, reply, sentence))
        try:
            message_id = await self._post(channel, reply, answers, nonce)
        except BaseException:
            if sentence:
                self._desk.remark(answers, sentence)
            raise
        if sentence:
            self._desk.remark(message_id, sentence)
        if sound is not None:
            await self._speak(channel, message_id, reply, sound)
        return message_id

    async def _know(self) -> None:
        if not await self._tokens.known():
            raise PostFailed("Discord has not been joined yet")

    async def _post(self, channel: Channel, reply: Reply, answers: str, nonce: str) -> str:
        opened = self._tokens.answering(answers)
        if opened is None:
            try:
                return await self._in_channel(channel, reply, answers, nonce)
            except Gone as error:
                return await self._elsewhere(channel, reply, answers, nonce, error)
        if known := opened.shown.get(nonce):
            await self.edit(channel, known, reply)
            return known
        message_id = await self._opened(channel, opened, reply, nonce)
        opened.shown[nonce] = message_id
        opened.first = False
        await self._tokens.keep(opened)
        return message_id

    async def _opened(self, channel: Channel, opened: Opened, reply: Reply, nonce: str) -> str:
        if (opened.first or opened.alone) and (shown := await self._through(channel, opened, reply)):
            return shown
        if not opened.alone:
            try:
                return await self._in_channel(channel, reply, opened.original, nonce, opened.locale)
            except Gone:  # the bot may not write there itself
                if shown := await self._through(channel, opened, reply):
                    return shown
        return await self._in_private(opened.person, reply, nonce, opened.locale)

    async def _through(self, channel: Channel, opened: Opened, reply: Reply) -> str:
        """Show it through the token, and return the message's id; empty when the token is good no more."""
        if not self._tokens.alive(opened):
            return ""

        async def show(client: discord.Client) -> str:
            if opened.first:
                return await through.edit_original(client, opened, reply)
            if not opened.alone and (lost := await through.find_lost(client, channel.id, opened)):
                await through.edit_through(client, opened, lost, reply)
                return lost
            return await through.follow_up(client, opened, reply)

        try:
            message_id = await self._connection.persist(channel, show, through_token=True)
        except through.Closed:
            self._tokens.end(opened)
            return ""
        opened.original = opened.original or (message_id if opened.first else "")
        return message_id

    async def edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
        """Make a message show something else. Raises `Gone` or `PostFailed`."""
        await self._know()
        reply = self._remarked(channel, reply, self._desk.remarks.get(message_id, ""))
        sound, reply = self._apart(channel, reply)
        await self._edit(channel, message_id, reply)
        if sound is not None:
            await self._speak(channel, message_id, reply, sound)

    async def _edit(self, channel: Channel, message_id: str, reply: Reply) -> None:
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
        if opened is not None and opened.alone and message_id not in self._moved:
            if not reply.running:
                nonce = hashlib.sha256(message_id.encode()).hexdigest()[:24]
                await self._in_private(opened.person, reply, nonce, opened.locale)
            return
        there = self._moved.get(message_id, channel)
        locale = self._connection.locale(there)
        await self._connection.persist(there, lambda client: showing.edit(client, there, message_id, reply, locale))

    async def remove(self, channel: Channel, message_id: str) -> None:
        """Take a message away. Raises `Gone` or `PostFailed`."""
        await self._know()
        opened = self._tokens.showing(message_id)
        if opened is not None and opened.alone and message_id not in self._moved:
            if not self._tokens.alive(opened):
                raise Gone("the interaction is over, and nothing of it can be changed")
            await self._connection.persist(
                channel, lambda client: through.delete_through(client, opened, message_id), through_token=True
            )
            return
        there = self._moved.get(message_id, channel)
        await self._connection.persist(there, lambda client: showing.remove(client, there, message_id))

    async def _in_channel(self, channel: Channel, reply: Reply, answers: str, nonce: str, locale: str = "") -> str:
        locale = locale or self._connection.locale(channel)
        return await self._connection.persist(
            channel, lambda client: showing.post(client, channel, reply, answers, nonce, locale)
        )

    def _remarked(self, channel: Channel, reply: Reply, sentence: str) -> Reply:
        """The reply with a remark below it, once it is whole."""
        if not sentence or reply.running:
            return reply
        said = translate(sentence, self._connection.locale(channel))
        return replace(reply, footer=f"{said} · {reply.footer}" if reply.footer else said)

    # Elsewhere

    async def _elsewhere(self, channel: Channel, reply: Reply, answers: str, nonce: str, why: Gone) -> str:
        """Where the bot may not write: to whoever asked, or at least a sign. Raises `Gone` when nothing helps."""
        person = self._desk.askers.get(answers)
        if person is None or channel.kind == "direct":
            raise why
        locale = self._connection.locale(channel)
        said = translate(NOT_THERE, locale).format(channel=f"<#{channel.id}>")
        text = f"-# {said}\n{reply.text}"
        told = replace(reply, text=text) if length(text) <= _CHARACTERS else reply
        try:
            return await self._in_private(person, told, nonce, locale)
        except Gone:
            await self._give_a_sign(channel, answers)
            raise why from None

    async def _in_private(self, person: str, reply: Reply, nonce: str, locale: str) -> str:
        """Write to somebody alone."""
        if not person:
            raise Gone("nobody is known to whom it could be written")
        room = await self._connection.private_channel(person)
        message_id = await self._in_channel(room, replace(reply, buttons=(), private=False), "", nonce, locale)
        self._moved[message_id] = room
        while len(self._moved) > _MOST_MOVED:
            del self._moved[next(iter(self._moved))]
        return message_id

    async def _give_a_sign(self, channel: Channel, answers: str) -> None:
        client = self._connection.client
        if client is None or not answers.isdecimal():
            return
        try:
            await client.http.add_reaction(int(channel.id), int(answers), MUTED)
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            log.info("nobody could be told why there is no answer", error=type(error).__name__)

    # Voice messages

    def _apart(self, channel: Channel, reply: Reply) -> tuple[Attachment | None, Reply]:
        """The sound that becomes a voice message, where there can be one, and what is shown beside it."""
        client = self._connection.client
        if client is None or reply.private or not voice.may_speak(client, channel):
            return None, reply
        return voice.spoken(reply)

    async def _speak(self, channel: Channel, message_id: str, reply: Reply, sound: Attachment) -> None:
        """Post the sound below its message; where Discord does not take it so, hang it on the message as a file."""
        nonce = voice.voice_nonce(message_id, sound)

        async def speak(client: discord.Client) -> bool:
            try:
                await voice.post_voice(client, channel, sound, message_id, nonce)
            except discord.HTTPException as error:
                if error.code not in _NOT_SPOKEN and error.status != 413:
                    raise
                log.info("a voice message was not taken", status=error.status, code=error.code)
                return False
            return True

        try:
            taken = await self._connection.persist(channel, speak)
        except PostFailed as error:
            log.warning("a voice message could not be posted", reason=str(error))
            taken = False
        if not taken:
            text = "" if reply.text == voice.ALONE else reply.text
            attachments = (*reply.attachments, sound)
            await self._edit(channel, message_id, replace(reply, text=text, attachments=attachments))
