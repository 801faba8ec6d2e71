"""What moderators may set about the bot in Teams."""

from typing import Literal

from pydantic import Field

from bot.skill import Settings

__all__ = ["NEW_POST", "OWN", "TeamsSettings"]

OWN = "@teams"  # what the core calls them
NEW_POST = "in a new post"


class TeamsSettings(Settings):
    """Where I answer."""

    replies: Literal["in the thread of the question", "in a new post"] = Field(
        "in the thread of the question", description="Where I answer in a channel"
    )
