"""The part of the configuration that says how much people may ask for, and how long what they say is kept."""

from pydantic import Field
from pydantic_settings import BaseSettings

from bot.budget import Quotas

__all__ = ["Limited"]


class Limited(BaseSettings):
    """What an operator can set about people; see `Config`."""

    # How long what people say is kept
    keep_days: int = Field(
        30, ge=1, le=3650, validation_alias="PARLEY_KEEP_DAYS", description="Days for which what was said is remembered"
    )
    keep_messages: int = Field(
        1000,
        ge=10,
        le=100_000,
        validation_alias="PARLEY_KEEP_MESSAGES",
        description="Newest messages of a channel that are remembered, people's and the bot's",
    )

    # How much people may ask for; moderators may lower it for their community
    turns_per_minute: int = Field(
        10, ge=1, validation_alias="PARLEY_TURNS_PER_MINUTE", description="Questions of one person in a minute"
    )
    turns_per_day: int = Field(
        100, ge=1, validation_alias="PARLEY_TURNS_PER_DAY", description="Questions of one person in a day"
    )
    pictures_per_day: int = Field(
        5, ge=0, validation_alias="PARLEY_PICTURES_PER_DAY", description="Pictures drawn for one person in a day"
    )
    audio_minutes_per_day: int = Field(
        15,
        ge=0,
        validation_alias="PARLEY_AUDIO_MINUTES_PER_DAY",
        description="Minutes of sound listened to for one person in a day; what was begun is heard to its end",
    )
    community_turns_per_hour: int = Field(
        300,
        ge=1,
        validation_alias="PARLEY_COMMUNITY_TURNS_PER_HOUR",
        description="Questions of one community in an hour",
    )
    community_turns_at_once: int = Field(
        8,
        ge=1,
        validation_alias="PARLEY_COMMUNITY_TURNS_AT_ONCE",
        description="Questions of one community answered at the same time; more have to wait",
    )
    community_dollars_per_day: float = Field(
        2.0,
        ge=0,
        validation_alias="PARLEY_COMMUNITY_DOLLARS_PER_DAY",
        description="Dollars spent on paid models for one community in a day",
    )
    dollars_per_day: float = Field(
        10.0,
        ge=0,
        validation_alias="PARLEY_DOLLARS_PER_DAY",
        description="Dollars spent on paid models for everybody in a day",
    )

    @property
    def quotas(self) -> Quotas:
        """How much people may ask for, and what may be spent."""
        return Quotas(**{name: getattr(self, name) for name in Quotas.__slots__})
