"""`parley doctor --discord`: whether the bot has at Discord what it needs, without joining anything."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import discord
import structlog

from bot.adapter import AdapterOff, Examined
from bot.adapters.discord.permissions import invite_link, lacking, rights_in

__all__ = ["examined", "invited"]

log = structlog.get_logger(__name__)

MOST_SERVERS = 25
_CONTENT = 1 << 18 | 1 << 19  # the Message Content intent, of a large bot or of a small one
_WRITABLE = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)
_PORTAL = "https://discord.com/developers/applications → your application"
_TOKEN_REFUSED = f"Discord refuses DISCORD_TOKEN. Make a new one: {_PORTAL} → Bot → Reset Token"
_TROUBLE = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError)


async def invited(token: str) -> str:
    """The link by which somebody adds the bot to a server. Raises `AdapterOff` where the token is refused, else what
    discord.py raises.
    """
    async with discord.Client(intents=discord.Intents.none()) as client:
        try:
            await client.login(token)
        except discord.LoginFailure:
            raise AdapterOff(_TOKEN_REFUSED) from None
        return invite_link(client.application_id or 0)


async def examined(token: str, *, content: bool, guild_id: str, names: list[str]) -> list[Examined]:
    """What is well and what is not, each with the one thing to do about it."""
    async with discord.Client(intents=discord.Intents.none()) as client:
        try:
            await client.login(token)
            found = [_intent(await client.application_info(), content)]
            found.append(await _commands(client, guild_id, names))
            guilds = [guild async for guild in client.fetch_guilds(limit=MOST_SERVERS + 1)]
            if not guilds:
                text = f"the bot is in no server yet. Invite it: {invite_link(client.application_id or 0)}"
                return [*found, Examined("discord servers", True, text)]
            for guild in guilds[:MOST_SERVERS]:
                found += await _permissions(client, guild.id)
            if len(guilds) > MOST_SERVERS:
                found.append(Examined("discord servers", True, f"only the first {MOST_SERVERS} were looked at"))
        except discord.LoginFailure:
            return [Examined("discord token", False, _TOKEN_REFUSED)]
        except _TROUBLE as error:
            return [Examined("discord", False, f"Discord cannot be asked ({type(error).__name__}). Try again later.")]
        return found


def _intent(application: discord.AppInfo, content: bool) -> Examined:
    granted = bool(application.flags.value & _CONTENT)
    if content and not granted:
        text = f"PARLEY_DISCORD_CONTENT asks for it, but it is off: {_PORTAL} → Bot → Message Content Intent"
        return Examined("discord message content", False, text)
    if content:
        return Examined("discord message content", True, "granted, and asked for")
    return Examined("discord message content", True, "not asked for, and not needed")


async def _commands(client: discord.Client, guild_id: str, names: list[str]) -> Examined:
    application = client.application_id or 0
    registered: list[Any] = (
        await client.http.get_guild_commands(application, int(guild_id))
        if guild_id
        else await client.http.get_global_commands(application)
    )
    known = {str(each["name"]) for each in registered}
    missing = [name for name in names if name not in known]
    if missing:
        text = f"Discord does not know /{', /'.join(missing)} yet. Parley brings them when it starts."
        return Examined("discord commands", True, text)
    return Examined("discord commands", True, f"all {len(names)} are known to Discord")


async def _permissions(client: discord.Client, guild_id: int) -> list[Examined]:
    """What is missing in the channels of a server that the bot can see."""
    guild = await client.fetch_guild(guild_id, with_counts=False)
    me = await guild.fetch_member(client.user.id if client.user else 0)
    wrong: list[Examined] = []
    hidden = well = 0
    for channel, rights in _seen(await guild.fetch_channels(), me):
        if not rights.view_channel:
            hidden += 1
        elif missing := lacking(rights):
            text = f"in #{channel} it lacks {', '.join(need.shown for need in missing)}"
            wrong.append(Examined(f"discord “{guild.name}”", False, text))
        else:
            well += 1
    apart = f"; {hidden} more are closed to it" if hidden else ""
    return [*wrong, Examined(f"discord “{guild.name}”", True, f"{well} channel(s) with all it needs{apart}")]


def _seen(channels: Any, me: discord.Member) -> Iterator[tuple[str, discord.Permissions]]:
    for channel in channels:
        rights = rights_in(channel, me)
        if isinstance(channel, _WRITABLE) and rights is not None:
            yield channel.name, rights
