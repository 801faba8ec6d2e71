"""What outlives one client: what can be called, the tokens of what was called, and what moderators chose."""

from dataclasses import dataclass

from bot.adapters.discord.here import Here
from bot.adapters.discord.notes import Notes
from bot.adapters.discord.tokens import Tokens
from bot.commands import Command

__all__ = ["Desk"]


@dataclass(slots=True)
class Desk:
    """`development` is the id of the only server in which the commands are made known; empty for everywhere."""

    notes: Notes
    tokens: Tokens
    here: Here
    commands: tuple[Command, ...] = ()
    development: str = ""
