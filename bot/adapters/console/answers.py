"""The newest answer: what it says, and what can be done with it by a short command."""

from dataclasses import dataclass

from bot.errors import UserError
from bot.messages import Attachment, Button, Person, Quote

__all__ = ["Shown"]

_BOT = Person("parley", "Parley", bot=True)
_WORDS = {"regenerate": "answer anew", "good": "good answer", "bad": "bad answer"}


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer as it stands on the screen; its files are where they were saved."""

    id: str
    text: str
    files: tuple[Attachment, ...]
    buttons: tuple[Button, ...]

    @property
    def quote(self) -> Quote:
        """The answer as a message that is replied to."""
        return Quote(self.id, _BOT, self.text, self.files)

    @property
    def actions(self) -> str:
        """What can be done with it, each with the command for it; empty when nothing can."""
        return "  ".join(
            f"/{number} {_WORDS.get(each.action, each.label)}" for number, each in enumerate(self.buttons, 1)
        )

    def button(self, number: int) -> Button:
        """The button with this number. Raises `UserError` when there is none."""
        if not self.buttons:
            raise UserError("There is nothing to choose below the last answer.")
        if not 1 <= number <= len(self.buttons):
            raise UserError(f"There is no /{number} below the last answer. Choose: {self.actions}")
        return self.buttons[number - 1]
