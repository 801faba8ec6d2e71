"""What was said in a channel before, as far as the bot and whoever asks may read it; and what a reply goes back to."""

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import discord
import structlog

from bot.adapters.discord.hearing import attachments_of, in_words, person_of
from bot.adapters.discord.permissions import rights_in
from bot.errors import UserError
from bot.messages import Channel, Person, Quote, Said

if TYPE_CHECKING:
    from bot.adapters.discord.client import Client

__all__ = ["Chains", "earlier"]

log = structlog.get_logger(__name__)

MOST = 500  # messages that are read at once, however many are wanted
PAGE = 100
DEEPEST = 8  # messages to which one goes back
_MOST_KNOWN = 1000  # messages remembered, to follow replies without asking Discord
_LONGEST = 2000
_PATIENCE = 2.0  # seconds for following a chain of replies
NO_INTENT = (
    "I cannot read what people say to each other here. Whoever runs me can let me: switch on “Message Content Intent” "
    "for me in Discord's developer portal, and set PARLEY_DISCORD_CONTENT=1."
)
NOT_FOR_YOU = "You may not read what was said in this channel before, so I do not tell you."

_TROUBLE = (discord.DiscordException, aiohttp.ClientError, OSError)


async def earlier(
    client: "Client", channel: Channel, limit: int, since: datetime | None, reader: Person, *, content: bool
) -> tuple[Said, ...] | None:
    """The newest messages, the oldest first; None where they cannot be had. Raises `UserError` with the remedy."""
    room = _room(client, channel)
    if room is None:
        return None
    if channel.tenant:
        if not content:
            raise UserError(NO_INTENT)
        guild = client.get_guild(int(channel.tenant))
        rights = rights_in(room, guild.me if guild else None)
        if guild is None or (rights is not None and not rights.read_message_history):
            return None
        await _check_reader(client, guild, room, reader)
    said: list[Said] = []
    before: int | None = None
    try:
        while len(said) < min(limit, MOST):
            page = await client.http.logs_from(room.id, min(PAGE, limit - len(said)), before=before)
            for raw in page:
                message = discord.Message(state=client._connection, channel=room, data=raw)  # noqa: SLF001
                if since is not None and message.created_at <= since:
                    return tuple(reversed(said))
                if line := _said(message, client.user):
                    said.append(line)
                before = message.id
            if len(page) < PAGE:
                break
    except _TROUBLE as error:
        log.info("the history of a channel could not be read", error=type(error).__name__)
        return tuple(reversed(said)) if said else None
    return tuple(reversed(said))


async def _check_reader(client: "Client", guild: discord.Guild, room: Any, reader: Person) -> None:
    """Raise `UserError` unless whoever asks may read it too, on Discord's word of now."""
    try:
        member = discord.Member(
            data=await client.http.get_member(guild.id, int(reader.id)),
            guild=guild,
            state=client._connection,  # noqa: SLF001 - as discord.py makes its own
        )
    except (*_TROUBLE, ValueError) as error:
        raise UserError(NOT_FOR_YOU) from error
    rights = rights_in(room, member)
    if rights is None or not (rights.view_channel and rights.read_message_history):
        raise UserError(NOT_FOR_YOU)


def _room(client: "Client", channel: Channel) -> Any:
    if channel.tenant:
        guild = client.get_guild(int(channel.tenant))
        return guild.get_channel_or_thread(int(channel.id)) if guild else None
    if channel.kind != "direct":
        return None
    return discord.DMChannel._from_message(client._connection, int(channel.id))  # noqa: SLF001


def _said(message: discord.Message, me: discord.ClientUser | None) -> Said | None:
    marks = [f"[{each.filename}]" for each in message.attachments]
    text = "\n".join([in_words(message.content, message), *marks]).strip()
    if not text:
        return None
    own = me is not None and message.author.id == me.id
    author = message.author.display_name
    return Said(
        "assistant" if own else "user", text, author, str(message.author.id), str(message.id), message.created_at
    )


class Chains:
    """Follows replies back. It remembers the messages that the bot has seen and could read."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._known: dict[int, tuple[Quote, int]] = {}

    def see(self, message: discord.Message) -> None:
        """A message of which more than its existence is known."""
        if message.content or message.attachments:
            self._known[message.id] = _as_quote(message), _reference(message)
            while len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]

    def forget(self, message_id: int) -> None:
        self._known.pop(message_id, None)

    async def follow(self, message: discord.Message, quote: Quote) -> Quote:
        """The quote with what it replied to, and so on, as far as that can be read and does not take long."""
        replied_to = message.reference.resolved if message.reference else None
        if quote.forwarded or not isinstance(replied_to, discord.Message):
            return quote
        self.see(replied_to)
        found: list[Quote] = []
        begun, at = time.monotonic(), _reference(replied_to) or self._known.get(replied_to.id, (quote, 0))[1]
        while at and len(found) < DEEPEST - 1:
            if at not in self._known and not await self._fetch(message.channel, at, begun):
                break
            earlier_one, at = self._known[at]
            if earlier_one.text or earlier_one.attachments:
                found.append(earlier_one)
        return replace(quote, earlier=tuple(reversed(found)))

    async def _fetch(self, room: Any, message_id: int, begun: float) -> bool:
        """Ask Discord for it; only what can be read is of use."""
        if time.monotonic() - begun > _PATIENCE:
            return False
        try:
            raw: Mapping[str, Any] = await self._client.http.get_message(room.id, message_id)
            state = self._client._connection  # noqa: SLF001 - as discord.py makes its own
            message = discord.Message(state=state, channel=room, data=dict(raw))  # type: ignore[arg-type]
        except _TROUBLE as error:
            log.debug("a reply could not be followed", error=type(error).__name__)
            return False
        self._known[message.id] = _as_quote(message), _reference(message)
        return True


def _as_quote(message: discord.Message) -> Quote:
    return Quote(
        str(message.id),
        person_of(message.author, message.channel),
        in_words(message.content[:_LONGEST], message),
        attachments_of(message.attachments, message),
    )


def _reference(message: discord.Message) -> int:
    """The message that it replies to; 0 for none."""
    reference = message.reference
    if reference is None or message.message_snapshots:
        return 0
    return reference.message_id or 0
