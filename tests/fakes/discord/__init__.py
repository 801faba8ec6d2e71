"""A small, strict Discord on loopback: gateway, REST and CDN over real sockets.

    async with FakeDiscord() as discord:
        harbour = discord.guild("The Harbour")
        general = discord.channel(harbour, "general")
        ada = discord.person("Ada")
        ...  # start a bot with discord.token and discord.api, then
        await discord.online()
        await discord.say(general, ada, "hello", mention_bot=True)
        answer = await discord.until(lambda: discord.answers(general))

It knows nothing of the bot and of discord.py; everything between them goes over the wire.
"""

from tests.fakes.discord.rights import Permission
from tests.fakes.discord.server import FakeDiscord
from tests.fakes.discord.world import Flag, Guild, Kind, Post, Role, Room, User

__all__ = ["FakeDiscord", "Flag", "Guild", "Kind", "Permission", "Post", "Role", "Room", "User"]
