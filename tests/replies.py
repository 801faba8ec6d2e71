"""Going on from an answer in a room: replying to it, pressing a button below it."""

from datetime import UTC, datetime
from typing import Any

from bot.messages import Channel, Person, Press, Quote, Reply
from bot.testing import Shown
from tests.room import Room

__all__ = ["newest", "press", "reply"]


def newest(room: Room) -> Shown:
    """What the bot has posted last."""
    return list(room.adapter.shown.values())[-1]


async def reply(room: Room, text: str, to: Shown | None = None, **given: Any) -> Reply:
    """Reply to an answer, by default the newest, as a platform tells it that passes on no more than its id."""
    return await room.ask(text, quote=Quote((to or newest(room)).id), **given)


async def press(room: Room, action: str, below: Shown | None = None) -> Reply:
    """Press a button below an answer, by default the newest, and see the newest answer then."""
    shown = below or newest(room)
    channel: Channel = shown.channel
    count = len(room.adapter.shown)
    said = await room.dispatch.pressed(
        Press(f"press{count}", channel, Person("ada", "Ada"), shown.id, action, datetime.now(UTC))
    )
    assert said == "", said
    await room.dispatch.idle()
    assert len(room.adapter.shown) > count, "nothing came of it"
    return newest(room).reply
