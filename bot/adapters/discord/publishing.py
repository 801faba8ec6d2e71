"""An answer that only one person sees, shown to everybody because they want it."""

import io
from typing import TYPE_CHECKING

import aiohttp
import discord
import structlog

from bot.adapter import Gone, PostFailed
from bot.adapters.discord import through
from bot.adapters.discord.endpoints import may_download
from bot.adapters.discord.tokens import Opened
from bot.markup import length
from bot.messages import Attachment, Reply

if TYPE_CHECKING:
    from bot.adapters.discord.client import Client

__all__ = ["publish"]

log = structlog.get_logger(__name__)

_LATER = 5
_CHARACTERS = 2000
_TIMEOUT = aiohttp.ClientTimeout(total=20, sock_connect=5, sock_read=5)
FAILED = "I could not share this. Ask me again without “private”, and everybody sees the answer."


async def publish(client: "Client", interaction: discord.Interaction) -> None:
    """Show the message whose button was pressed to the channel, as an answer to that press."""
    message = interaction.message
    assert message is not None
    await through.respond(client, str(interaction.id), interaction.token, _LATER)
    opened = Opened(
        str(interaction.id),
        str(interaction.application_id),
        interaction.token,
        interaction.created_at.timestamp(),
        locale=str(interaction.locale),
    )
    small = f"\n-# {' '.join(interaction.user.display_name.split())}"
    text = message.content + small if length(message.content + small) <= _CHARACTERS else message.content
    try:
        files = [await _fetched(file, interaction.filesize_limit) for file in message.attachments]
        reply = Reply(text, tuple(file for file in files if file))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        log.info("a private answer could not be shared", error=type(error).__name__)
        reply = Reply(FAILED)
    try:
        await through.edit_original(client, opened, reply)
    except (Gone, PostFailed, discord.DiscordException, aiohttp.ClientError, OSError) as error:
        log.warning("a private answer was not shared", error=type(error).__name__)


async def _fetched(file: discord.Attachment, most: int) -> Attachment | None:
    if not may_download(file.url) or file.size > most:
        return None
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(file.url, allow_redirects=False) as response,
    ):
        response.raise_for_status()
        content = io.BytesIO()
        async for chunk in response.content.iter_chunked(65536):
            content.write(chunk)
            if content.tell() > most:
                return None
    media_type = (file.content_type or "application/octet-stream").partition(";")[0]
    return Attachment(file.filename, media_type, content.getvalue(), alt=file.description or "")
