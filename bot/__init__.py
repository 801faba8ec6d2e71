"""Parley: all that a skill's author needs. `from bot import Skill, Turn, UserError`."""

from pydantic import Field

from bot.errors import UserError
from bot.messages import Attachment, Channel, Footer, Message, Person, Quote, Said, Status
from bot.models import Prompt, Transcript
from bot.skill import Pieces, Request, Settings, Skill, Turn
from bot.version import __version__

__all__ = [
    "Attachment",
    "Channel",
    "Field",
    "Footer",
    "Message",
    "Person",
    "Pieces",
    "Prompt",
    "Quote",
    "Request",
    "Said",
    "Settings",
    "Skill",
    "Status",
    "Transcript",
    "Turn",
    "UserError",
    "__version__",
]
