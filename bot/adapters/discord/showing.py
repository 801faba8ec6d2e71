"""What the core wants shown → one call to Discord, and Discord's refusals → what the core understands.

The calls go through discord.py's own HTTP client: it keeps the rate limits, and hands back Discord's answer as it is.
"""

import contextlib
import io
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import discord
from discord.http import MultipartParameters, handle_message_parameters
from discord.utils import MISSING

from bot.adapter import Gone, PostFailed
from bot.markup import length
from bot.messages import Attachment, Channel, Reply
from bot.translations import translate

if TYPE_CHECKING:
    from discord.types.message import MessageReference

__all__ = [
    "ACTION",
    "ATTACH_REFUSED",
    "PUBLISH",
    "edit",
    "parameters_of",
    "post",
    "remove",
    "seconds_of",
    "until_taken",
    "wait_after",
]

T = TypeVar("T")

ACTION = "parley:"  # how the id of our own buttons begins
PUBLISH = "publish"

_CHARACTERS = 2000
ATTACH_REFUSED = "(I may not attach files in this channel. A moderator can give me the permission “Attach Files”.)"
_TOO_BIG = "(The file is larger than Discord takes here, so I cannot show it.)"
_NOBODY = discord.AllowedMentions.none()
_TOO_LARGE = 40005
_MISSING_PERMISSIONS = 50013
_NO_HISTORY = 160002
_INVALID = 50035
# Answered with other statuses than 403 and 404, yet final: archived thread, locked thread, no common server.
_FINAL = frozenset({50083, 160005, 50278})


async def post(
    client: discord.Client, channel: Channel, reply: Reply, answers: str, nonce: str, locale: str = ""
) -> str:
    """Post once and return the message's id. Repeating it with the same nonce shows nothing new."""
    reference: MessageReference | None = None
    if answers and answers != channel.id:  # what a thread was begun from stands above it, and in another channel
        reference = {"message_id": answers, "channel_id": channel.id, "fail_if_not_exists": False}

    async def send(refused: str) -> str:
        nonlocal reference
        while True:
            try:
                with parameters_of(reply, refused, locale, nonce=nonce, reference=reference) as parameters:
                    message = await client.http.send_message(int(channel.id), params=parameters)
            except discord.HTTPException as error:
                if not (reference and _refuses_reference(error)):
                    raise
                reference = None
            else:
                return str(message["id"])

    return await until_taken(send, reply, "" if _may_attach(client, channel) else ATTACH_REFUSED)


async def edit(client: discord.Client, channel: Channel, message_id: str, reply: Reply, locale: str = "") -> None:
    """Make the message show `reply`. Repeating it changes nothing."""

    async def send(refused: str) -> None:
        with parameters_of(reply, refused, locale, editing=True) as parameters:
            await client.http.edit_message(int(channel.id), int(message_id), params=parameters)

    await until_taken(send, reply, "" if _may_attach(client, channel) else ATTACH_REFUSED)


async def remove(client: discord.Client, channel: Channel, message_id: str) -> None:
    """Delete a message of the bot's own; one that is gone already is no matter."""
    with contextlib.suppress(discord.NotFound):
        await client.http.delete_message(int(channel.id), int(message_id))


async def until_taken(send: Callable[[str], Awaitable[T]], reply: Reply, refused: str) -> T:
    """Send it; where Discord does not take the files, without them and with a word of why."""
    while True:
        try:
            return await send(refused)
        except discord.HTTPException as error:
            if not (reply.attachments and not refused and _refuses_files(error)):
                raise
            refused = _why(error)


def parameters_of(
    reply: Reply,
    refused: str = "",
    locale: str = "",
    *,
    editing: bool = False,
    nonce: str = "",
    reference: "MessageReference | None" = None,
    ephemeral: bool = False,
) -> MultipartParameters:
    """The body of a call that shows `reply`. It can be sent once: files are used up by it."""
    files = _files(reply, refused)
    view = _view(reply, locale)
    if editing:
        return handle_message_parameters(
            _content(reply, refused),
            attachments=files if files or not reply.running else MISSING,
            view=view,
            flags=discord.MessageFlags(suppress_embeds=True),  # what a command opened has no flags yet
            allowed_mentions=_NOBODY,  # an edit is parsed for mentions anew, whatever the post said
        )
    return handle_message_parameters(
        _content(reply, refused),
        files=files or MISSING,
        view=view or MISSING,
        nonce=nonce or None,
        flags=discord.MessageFlags(suppress_embeds=True, ephemeral=ephemeral),
        message_reference=reference or MISSING,
        allowed_mentions=_NOBODY,
        mention_author=False if nonce else None,
    )


def wait_after(error: Exception) -> float:
    """The least number of seconds to wait before trying again; raises `Gone` or `PostFailed` when that is no use."""
    if isinstance(error, discord.RateLimited):
        raise PostFailed(f"Discord asks to wait {error.retry_after:.0f} s") from error
    if isinstance(error, discord.HTTPException):
        if error.status >= 500 or error.status == 408:
            return 0
        if error.status == 429:  # without the header that would have let discord.py wait by itself
            return seconds_of(error)
        said = f"Discord answers {error.status} (code {error.code})"
        raise (Gone(said) if error.status in (403, 404) or error.code in _FINAL else PostFailed(said)) from error
    if isinstance(error, aiohttp.ClientError | OSError | ValueError):
        return 0  # no answer, or none that could be read: it may have been shown, and the nonce tells
    raise error


def seconds_of(error: discord.HTTPException) -> float:
    """How long the answer says to wait; 0 when it does not."""
    try:
        return max(0.0, float(error.response.headers.get("Retry-After", "")))
    except ValueError:
        return 0


def _why(error: discord.HTTPException) -> str:
    return ATTACH_REFUSED if error.code == _MISSING_PERMISSIONS else _TOO_BIG


def _refuses_files(error: discord.HTTPException) -> bool:
    return error.status == 413 or error.code in (_TOO_LARGE, _MISSING_PERMISSIONS)


def _refuses_reference(error: discord.HTTPException) -> bool:
    return error.code == _NO_HISTORY or (error.code == _INVALID and "message_reference" in error.text)


def _may_attach(client: discord.Client, channel: Channel) -> bool:
    """What is known without asking; Discord has the last word."""
    guild = client.get_guild(int(channel.tenant)) if channel.tenant else None
    room = guild.get_channel_or_thread(int(channel.id)) if guild else None
    if isinstance(room, discord.Thread):
        room = room.parent
    if guild is None or room is None or guild.me is None:
        return True
    return room.permissions_for(guild.me).attach_files


def _content(reply: Reply, refused: str) -> str:
    """The text, a word about files that cannot be shown, and the footer in small letters."""
    parts = [reply.text] if reply.text else []
    if reply.attachments and refused:
        parts.append(refused)
    text = "\n\n".join(parts)
    footer = " ".join(reply.footer.split())
    if footer:
        small = f"{text}\n-# {footer}" if text else f"-# {footer}"
        if length(small) <= _CHARACTERS:
            return small
    return text


def _files(reply: Reply, refused: str) -> list[discord.File]:
    """Fresh ones for each attempt: a file that was sent is used up."""
    return [] if refused else [_file(attachment) for attachment in reply.attachments]


def _file(attachment: Attachment) -> discord.File:
    return discord.File(
        io.BytesIO(attachment.data),
        filename=attachment.name or "file",
        description=attachment.alt[:1024] or None,
    )


def _view(reply: Reply, locale: str) -> discord.ui.View | None:
    buttons = [(each.action, each.label) for each in reply.buttons]
    if reply.private and not reply.running and (reply.text or reply.attachments):
        buttons.append((PUBLISH, "Publish"))
    if not buttons:
        return None
    view = discord.ui.View(timeout=None)
    for action, label in buttons:
        shown = translate(label, locale)[:80]
        view.add_item(discord.ui.Button(label=shown, custom_id=f"{ACTION}{action}"[:100]))
    view.stop()  # presses are heard by `on_interaction`; discord.py need not remember every message for them
    return view
