"""What outlives one client: what can be called, the tokens of what was called, and what moderators chose."""

from dataclasses import dataclass, field

from bot.adapters.discord.here import Here
from bot.adapters.discord.loops import Loops
from bot.adapters.discord.notes import Notes
from bot.adapters.discord.pace import Pace
from bot.adapters.discord.tokens import Tokens
from bot.commands import Command

__all__ = ["Desk"]

_MOST_ASKERS = 1000


@dataclass(slots=True)
class Desk:
    """`development` is the id of the only server in which the commands are made known; empty for everywhere. `content`
    says that the Message Content intent is asked for. `askers` are those who asked lately, by their question; `remarks`
    what is to be said below the answer to one, and then below the message that shows it.
    """

    notes: Notes
    tokens: Tokens
    here: Here
    pace: Pace = field(default_factory=Pace)
    commands: tuple[Command, ...] = ()
    development: str = ""
    content: bool = False
    loops: Loops = field(default_factory=lambda: Loops(()))
    askers: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

    def remark(self, message_id: str, sentence: str) -> None:
        """Say this below whatever answers, or shows the answer to, this message."""
        self.remarks[message_id] = sentence
        while len(self.remarks) > _MOST_ASKERS:
            del self.remarks[next(iter(self.remarks))]

    def asked(self, message_id: str, person_id: str) -> None:
        """Remember whose question it is, in case the answer has to find its way to them."""
        self.askers[message_id] = person_id
        while len(self.askers) > _MOST_ASKERS:
            del self.askers[next(iter(self.askers))]
