"""Parley: all that a skill's author needs. `from bot import Skill, Turn, UserError`."""

from pydantic import Field

from bot.earlier import Earlier, Found
from bot.errors import UserError
from bot.media import Document
from bot.messages import (
    Attachment,
    Button,
    Channel,
    Footer,
    Keep,
    Kept,
    Message,
    Person,
    Preview,
    Quote,
    Said,
    Status,
)
from bot.models import Prompt, Segment, Tool, ToolCall, Transcript, Verdict
from bot.skill import Pieces, Request, Settings, Skill, Turn
from bot.version import __version__

__all__ = [
    "Attachment",
    "Button",
    "Channel",
    "Document",
    "Earlier",
    "Field",
    "Footer",
    "Found",
    "Keep",
    "Kept",
    "Message",
    "Person",
    "Pieces",
    "Preview",
    "Prompt",
    "Quote",
    "Request",
    "Said",
    "Segment",
    "Settings",
    "Skill",
    "Status",
    "Tool",
    "ToolCall",
    "Transcript",
    "Turn",
    "UserError",
    "Verdict",
    "__version__",
]
