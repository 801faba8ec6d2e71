"""What the bot has to be allowed on Discord, and what for."""

from dataclasses import dataclass

import discord
from discord.abc import Snowflake

__all__ = ["INVITED", "NEEDED", "Need", "invite_link", "lacking", "rights_in"]


@dataclass(frozen=True, slots=True)
class Need:
    """A permission by discord.py's name and by that which people see; `why` is what does not work without it."""

    name: str
    shown: str
    why: str


NEEDED = (
    Need("view_channel", "View Channel", "to be there at all"),
    Need("send_messages", "Send Messages", "to answer"),
    Need("send_messages_in_threads", "Send Messages in Threads", "to answer in threads"),
    Need("read_message_history", "Read Message History", "to answer as a reply, and to catch up"),
    Need("attach_files", "Attach Files", "to show pictures and long answers"),
    Need("create_public_threads", "Create Public Threads", "to open a thread for an answer, where that is chosen"),
    Need("send_voice_messages", "Send Voice Messages", "to answer with a voice message"),
    Need("add_reactions", "Add Reactions", "to give a sign where I may not write"),
)
INVITED = discord.Permissions(**{need.name: True for need in NEEDED})


def invite_link(application_id: int) -> str:
    """Where somebody adds the bot to a server, with no more rights than it needs."""
    return discord.utils.oauth_url(application_id, permissions=INVITED, scopes=("bot", "applications.commands"))


def lacking(granted: discord.Permissions, *, thread: bool = False) -> list[Need]:
    """What is not allowed of what is needed, in a channel or a thread."""
    elsewhere = ("send_messages", "create_public_threads") if thread else ("send_messages_in_threads",)
    return [need for need in NEEDED if not getattr(granted, need.name) and need.name not in elsewhere]


def rights_in(room: Snowflake | None, me: discord.Member | None) -> discord.Permissions | None:
    """What the bot may do in a channel or thread, as far as that is known."""
    if isinstance(room, discord.Thread):
        room = room.parent
    if me is None or not isinstance(room, discord.abc.GuildChannel):
        return None
    return room.permissions_for(me)
