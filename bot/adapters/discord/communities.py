"""The servers that the bot is in, with their channels: for whoever runs it, to choose one."""

from collections.abc import Iterable

import discord

from bot.adapter import Community
from bot.messages import Channel

__all__ = ["communities"]

_WITH_MESSAGES = (discord.TextChannel, discord.VoiceChannel, discord.StageChannel, discord.ForumChannel)


def communities(guilds: Iterable[discord.Guild]) -> list[Community]:
    """Servers by name, their channels as Discord lists them, and all private conversations as one."""
    servers = sorted(guilds, key=lambda guild: guild.name.casefold())
    found = [
        Community(
            "discord", str(guild.id), guild.name or f"Server {guild.id}", tuple(_channels(guild)), tuple(_roles(guild))
        )
        for guild in servers
    ]
    return [*found, Community("discord", "", "Private conversations")]


def _roles(guild: discord.Guild) -> Iterable[tuple[str, str]]:
    """Those that people are given, the highest first; not those of bots."""
    return ((str(role.id), role.name) for role in reversed(guild.roles) if not (role.is_default() or role.managed))


def _channels(guild: discord.Guild) -> Iterable[Channel]:
    for category, channels in guild.by_category():
        for channel in channels:
            if isinstance(channel, _WITH_MESSAGES):
                name = f"{category.name} › #{channel.name}" if category else f"#{channel.name}"
                yield Channel("discord", str(channel.id), str(guild.id), "channel", name)
