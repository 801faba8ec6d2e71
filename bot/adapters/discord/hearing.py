"""What Discord says → what the core hears. Pure: nothing here waits or sends."""

import json
import mimetypes
import re
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import discord
from discord.abc import GuildChannel, Snowflake

from bot.messages import Attachment, Channel, Message, Person, Quote

__all__ = [
    "addressed",
    "attachments_of",
    "heard_message",
    "hidden",
    "in_words",
    "manages_server",
    "person_of",
    "place",
    "place_asked",
    "place_of",
    "quoted",
]

NOT_SHOWN = "I am not shown the message you replied to. Open its menu, choose Apps, and let me have it there."
ROLE_ONLY = "I am not shown what you wrote: mention me, not my role."
_SAID = (discord.MessageType.default, discord.MessageType.reply)
_NEW = timedelta(days=7)
_MARKS = re.compile(
    r"<@!?(?P<user>\d+)>|<@&(?P<role>\d+)>|<#(?P<channel>\d+)>"
    r"|<a?(?P<emoji>:\w+:)\d+>|<(?P<command>/[^:<>]+):\d+>"
)


def addressed(message: discord.Message, me: int, bots: Collection[str] = ()) -> bool:
    """Whether a person says this to the bot, whose user id is `me`; or one of the `bots` that it may talk to."""
    if (
        (message.author.bot and (str(message.author.id) not in bots or message.author.id == me))
        or message.webhook_id
        or message.type not in _SAID
    ):
        return False
    if isinstance(message.channel, discord.DMChannel):
        return True
    if any(user.id == me for user in message.mentions):
        return True
    if any(role.tags and role.tags.bot_id == me for role in message.role_mentions):
        return True
    # A reply without a ping is to us as well, but Discord shows us only that it is there.
    replied_to = message.reference.resolved if message.reference else None
    readable = message.content or message.attachments or message.stickers
    return isinstance(replied_to, discord.Message) and replied_to.author.id == me and bool(readable)


def heard_message(message: discord.Message, me: int, roles: Collection[str] = ()) -> Message:
    """The message as a value, without the mention that made it ours."""
    return Message(
        id=str(message.id),
        channel=place_of(message),
        author=person_of(message.author, message.channel, roles=roles),
        text=_words(message, me),
        sent_at=message.created_at,
        attachments=attachments_of(message.attachments, message),
        quote=_quote(message),
    )


def hidden(message: discord.Message, me: int) -> str:
    """What Discord does not show the bot of this, as a sentence with the remedy; empty when it shows all there is."""
    gated = not (message.content or message.attachments or any(user.id == me for user in message.mentions))
    if gated and any(_is_ours(role, me) for role in message.role_mentions):
        return ROLE_ONLY
    replied_to = message.reference.resolved if message.reference else None
    if not isinstance(replied_to, discord.Message) or replied_to.author.id == me or message.message_snapshots:
        return ""
    shown = replied_to.content or replied_to.attachments or replied_to.embeds or replied_to.stickers
    return "" if shown else NOT_SHOWN


def place_of(message: discord.Message) -> Channel:
    """The channel a message was written in, as a value."""
    guild_id = message.guild.id if message.guild else getattr(message.channel, "guild_id", None)
    return place(message.channel, guild_id)


def place(room: Snowflake, guild_id: int | None) -> Channel:
    """A channel as a value. `guild_id` is None for direct messages."""
    name = getattr(room, "name", None) or ""
    if guild_id is None:
        kind = getattr(room, "type", discord.ChannelType.private)
        if kind is discord.ChannelType.group:
            return Channel("discord", str(room.id), kind="group", name=name)
        return Channel("discord", str(room.id), kind="direct")
    if isinstance(room, discord.Thread):
        return Channel("discord", str(room.id), str(guild_id), "thread", name, str(room.parent_id))
    return Channel("discord", str(room.id), str(guild_id), "channel", name)


def place_asked(interaction: discord.Interaction) -> Channel:
    """The channel in which something was called or pressed, as a value."""
    assert interaction.channel
    channel = place(interaction.channel, interaction.guild_id)
    among_others = interaction.context.private_channel and not interaction.context.dm_channel
    return replace(channel, kind="group") if among_others else channel  # also where just two people talk


def person_of(
    user: discord.User | discord.Member, room: object, *, roles: Collection[str] = (), locale: str = ""
) -> Person:
    """Who this is. A moderator may manage the server, or this channel, by the roles Discord sent with the event, or
    has one of the `roles` that were named for it, or was named.
    """
    return Person(
        str(user.id),
        user.display_name,
        moderator=_moderates(user, room, roles),
        bot=user.bot,
        locale=locale,
        new=datetime.now(UTC) - user.created_at < _NEW,
        roles=tuple(str(role) for role in user._roles) if isinstance(user, discord.Member) else (),  # noqa: SLF001
    )


def manages_server(user: discord.User | discord.Member) -> bool:
    """Whether somebody may set what goes for the whole server, on the word that came with this event."""
    if not isinstance(user, discord.Member) or user.is_timed_out():
        return False
    if _knows_roles(user):
        return user.guild_permissions.manage_guild
    return bool(user.resolved_permissions and user.resolved_permissions.manage_guild)


def _moderates(user: discord.User | discord.Member, room: object, roles: Collection[str]) -> bool:
    if not isinstance(user, discord.Member) or user.is_timed_out():
        return False
    named = (user.id, *user._roles)  # noqa: SLF001 - ids, also unknown ones
    if manages_server(user) or any(str(each) in roles for each in named):
        return True
    if resolved := user.resolved_permissions:  # sent along when somebody presses a button or calls a command
        return resolved.manage_channels
    if isinstance(room, discord.Thread):
        room = room.parent
    return isinstance(room, GuildChannel) and room.permissions_for(user).manage_channels


def _knows_roles(user: discord.Member) -> bool:
    """Whether the server's roles are known: those of one the bot is not in are not."""
    return user.guild.owner_id is not None and bool(user.guild.roles)


def _words(message: discord.Message, me: int) -> str:
    """What was said, in words: our own mention removed, names in place of other mentions."""
    ours = [f"<@!?{me}>", *(rf"<@&{role.id}>" for role in message.role_mentions if _is_ours(role, me))]
    own = re.compile(rf"[ \t]*(?:{'|'.join(ours)})")
    text = message.content.strip()
    if start := own.match(text):
        text = text[start.end() :].lstrip(" \t,:")
    text = in_words(own.sub("", text), message).strip()
    stickers = "".join(f"\n[sticker: {sticker.name}]" for sticker in message.stickers)
    return (text + stickers).strip()


def _is_ours(role: discord.Role, me: int) -> bool:
    return bool(role.tags and role.tags.bot_id == me)


def in_words(text: str, message: discord.Message) -> str:
    """What was said, with names in place of mentions."""
    guild = message.guild
    people = {user.id: user.display_name for user in message.mentions}

    def name(mark: re.Match[str]) -> str:
        if mark["user"]:
            return f"@{people.get(int(mark['user']), 'somebody')}"
        if mark["role"]:
            role = guild.get_role(int(mark["role"])) if guild else None
            return f"@{role.name if role else 'a role'}"
        if mark["channel"]:
            channel = guild.get_channel_or_thread(int(mark["channel"])) if guild else None
            return f"#{channel.name if channel else 'a-channel'}"
        return mark["emoji"] or mark["command"]

    return _MARKS.sub(name, text)


def _quote(message: discord.Message) -> Quote | None:
    """What is replied to or forwarded, as far as Discord lets the bot read it."""
    reference = message.reference
    if reference is None or reference.message_id is None:
        return None
    if message.message_snapshots:
        snapshot = message.message_snapshots[0]
        text = in_words(snapshot.content, message)
        return Quote(
            str(reference.message_id), None, text, attachments_of(snapshot.attachments, message), forwarded=True
        )
    earlier = reference.resolved
    if not isinstance(earlier, discord.Message):
        return Quote(str(reference.message_id))
    return Quote(
        str(earlier.id),
        _quoted_person(earlier),
        in_words(earlier.content, earlier),
        attachments_of(earlier.attachments, earlier),
    )


def quoted(message: discord.Message) -> Quote:
    """A message that somebody chose from its menu; of this one Discord shows everything."""
    found = message.message_snapshots[0] if message.message_snapshots else message
    return Quote(
        str(message.id),
        _quoted_person(message),
        in_words(found.content, message),
        attachments_of(found.attachments, message),
        forwarded=bool(message.message_snapshots),
    )


def _quoted_person(message: discord.Message) -> Person:
    return replace(person_of(message.author, message.channel), roles=())  # what they may do is not asked for


def attachments_of(found: Iterable[discord.Attachment], carrier: discord.Message | None) -> tuple[Attachment, ...]:
    """Files by reference: what finds them again, when their signed address has expired, is the message they hang on."""
    return tuple(
        Attachment(
            name=file.filename,
            media_type=_media_type(file),
            size=file.size,
            source=json.dumps(
                {
                    "channel": str(carrier.channel.id) if carrier else "",
                    "message": str(carrier.id) if carrier else "",
                    "attachment": str(file.id),
                    "url": file.url,
                }
            ),
            alt=file.description or "",
            seconds=file.duration,
        )
        for file in found
    )


def _media_type(file: discord.Attachment) -> str:
    claimed = file.content_type or mimetypes.guess_type(file.filename)[0] or "application/octet-stream"
    return claimed.partition(";")[0].strip().lower()
