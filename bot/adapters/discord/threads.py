"""A thread of its own for a question, where moderators have chosen so."""

import re
from typing import TYPE_CHECKING, Literal

import aiohttp
import discord
import structlog

from bot.adapters.discord.permissions import rights_in
from bot.messages import Channel, Message

if TYPE_CHECKING:
    from bot.adapters.discord.client import Client

__all__ = ["begun_at", "thread_for", "title_of"]

log = structlog.get_logger(__name__)

LONGEST_TITLE = 80
_DAY: Literal[1440] = 1440  # minutes after the last message until it is put away
_THERE = 160004  # a thread has been begun at this message before
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+|\n")
_MARKS = re.compile(r"[*_~`|>#]+|^\s*[-+]\s+")


async def thread_for(client: "Client", message: discord.Message, heard: Message) -> Channel:
    """The thread in which this is answered: begun at the question itself, so that it is found there again.

    Where none can be begun, the channel.
    """
    room, guild = message.channel, message.guild
    if guild is None or not isinstance(room, discord.TextChannel):
        return heard.channel
    rights = rights_in(room, guild.me)
    if rights is not None and not (rights.create_public_threads and rights.send_messages_in_threads):
        return heard.channel
    title = title_of(heard)
    try:
        await client.http.start_thread_with_message(room.id, message.id, name=title, auto_archive_duration=_DAY)
    except discord.HTTPException as error:
        if error.code != _THERE:
            log.info("a thread could not be begun", status=error.status, code=error.code)
            return heard.channel
    except (discord.RateLimited, aiohttp.ClientError, OSError) as error:
        log.info("a thread could not be begun", error=type(error).__name__)
        return heard.channel
    return Channel("discord", str(message.id), heard.channel.tenant, "thread", title, heard.channel.id)


def begun_at(guild: discord.Guild | None, message_id: int) -> Channel | None:
    """The thread that was begun at a message; it has the same id."""
    thread = guild.get_thread(message_id) if guild else None
    if guild is None or thread is None:
        return None
    return Channel("discord", str(thread.id), str(guild.id), "thread", thread.name, str(thread.parent_id))


def title_of(message: Message) -> str:
    """What a question is about, in a line: its first sentence, as far as it fits, without signs of style."""
    words = " ".join(_MARKS.sub("", _SENTENCE.split(message.text.strip(), maxsplit=1)[0]).split())
    if not words and message.attachments:
        words = message.attachments[0].name
    words = words or message.author.name
    if len(words) > LONGEST_TITLE:
        cut = words[: LONGEST_TITLE - 1]
        words = (cut.rpartition(" ")[0] if " " in cut[LONGEST_TITLE // 2 :] else cut).rstrip(" ,;:") + "…"
    return words
