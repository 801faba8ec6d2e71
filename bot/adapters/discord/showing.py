"""What the core wants shown → one call to Discord, and Discord's refusals → what the core understands.

The calls go through discord.py's own HTTP client: it keeps the rate limits, and hands back Discord's answer as it is.
"""

import io
from typing import TYPE_CHECKING

import aiohttp
import discord
from discord.http import handle_message_parameters
from discord.utils import MISSING

from bot.adapter import Gone, PostFailed
from bot.markup import length
from bot.messages import Attachment, Button, Channel, Reply

if TYPE_CHECKING:
    from discord.types.message import MessageReference

__all__ = ["ACTION", "edit", "post", "seconds_of", "wait_after"]

ACTION = "parley:"  # how the id of our own buttons begins

_CHARACTERS = 2000
_NOT_ALLOWED = "(I may not attach files in this channel. A moderator can give me the permission “Attach Files”.)"
_TOO_BIG = "(The file is larger than Discord takes here, so I cannot show it.)"
_NOBODY = discord.AllowedMentions.none()
_TOO_LARGE = 40005
_MISSING_PERMISSIONS = 50013
_NO_HISTORY = 160002
_INVALID = 50035
# Answered with other statuses than 403 and 404, yet final: archived thread, locked thread, no common server.
_FINAL = frozenset({50083, 160005, 50278})


async def post(client: discord.Client, channel: Channel, reply: Reply, answers: str, nonce: str) -> str:
    """Post once and return the message's id. Repeating it with the same nonce shows nothing new."""
    reference: MessageReference | None = None
    if answers:
        reference = {"message_id": answers, "channel_id": channel.id, "fail_if_not_exists": False}
    refused = "" if _may_attach(client, channel) else _NOT_ALLOWED
    while True:
        parameters = handle_message_parameters(
            _content(reply, refused),
            files=_files(reply, refused) or MISSING,
            view=_view(reply.buttons) or MISSING,
            nonce=nonce,
            flags=discord.MessageFlags(suppress_embeds=True),
            message_reference=reference or MISSING,
            allowed_mentions=_NOBODY,
            mention_author=False,
        )
        try:
            with parameters:
                message = await client.http.send_message(int(channel.id), params=parameters)
        except discord.HTTPException as error:
            if reply.attachments and not refused and _refuses_files(error):
                refused = _why(error)
            elif reference and _refuses_reference(error):
                reference = None
            else:
                raise
        else:
            return str(message["id"])


async def edit(client: discord.Client, channel: Channel, message_id: str, reply: Reply) -> None:
    """Make the message show `reply`. Repeating it changes nothing."""
    refused = "" if _may_attach(client, channel) else _NOT_ALLOWED
    while True:
        parameters = handle_message_parameters(
            _content(reply, refused),
            attachments=_files(reply, refused) or MISSING,
            view=_view(reply.buttons),
            allowed_mentions=_NOBODY,  # an edit is parsed for mentions anew, whatever the post said
        )
        try:
            with parameters:
                await client.http.edit_message(int(channel.id), int(message_id), params=parameters)
        except discord.HTTPException as error:
            if not (reply.attachments and not refused and _refuses_files(error)):
                raise
            refused = _why(error)
        else:
            return


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
    return _NOT_ALLOWED if error.code == _MISSING_PERMISSIONS else _TOO_BIG


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


def _view(buttons: tuple[Button, ...]) -> discord.ui.View | None:
    if not buttons:
        return None
    view = discord.ui.View(timeout=None)
    for button in buttons:
        view.add_item(discord.ui.Button(label=button.label, custom_id=f"{ACTION}{button.action}"))
    view.stop()  # presses are heard by `on_interaction`; discord.py need not remember every message for them
    return view
