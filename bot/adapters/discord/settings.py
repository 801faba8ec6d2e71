"""What moderators may set about the bot on Discord."""

from typing import Annotated

from pydantic import Field, field_validator

from bot.forms import PEOPLE
from bot.skill import Settings

__all__ = ["OWN", "DiscordSettings"]

OWN = "@discord"  # what the core calls them


class DiscordSettings(Settings):
    """Where I answer, and who may change my settings."""

    threads: bool = Field(False, description="Answer each question in a thread of its own")
    roles: Annotated[str, PEOPLE] = Field(
        "", max_length=2000, description="Roles and people who are moderators of the bot too"
    )

    @field_validator("roles", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return " ".join(map(str, value)) if isinstance(value, list) else value  # as it was kept once
