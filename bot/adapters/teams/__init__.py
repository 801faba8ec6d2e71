"""Microsoft Teams: the only folder that knows botbuilder."""

from bot.adapters.teams.adapter import Teams

__all__ = ["Teams"]
