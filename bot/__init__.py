"""Parley: all that a skill's author needs. `from bot import Skill, Turn, UserError`."""

from pydantic import Field

from bot.earlier import Earlier, Found
from bot.errors import UserError
from bot.media import Barcode, Document, Look, PictureFacts, Recording, SoundPart
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
from bot.models import Prompt, Segment, Tool, ToolCall, Transcript, TurnModels, Verdict
from bot.skill import Pieces, Request, Settings, Skill, Turn
from bot.version import __version__
from bot.wording import is_question, is_thanks, refers_back, wants_change

__all__ = [
    "Attachment",
    "Barcode",
    "Button",
    "Channel",
    "Document",
    "Earlier",
    "Field",
    "Footer",
    "Found",
    "Keep",
    "Kept",
    "Look",
    "Message",
    "Person",
    "PictureFacts",
    "Pieces",
    "Preview",
    "Prompt",
    "Quote",
    "Recording",
    "Request",
    "Said",
    "Segment",
    "Settings",
    "Skill",
    "SoundPart",
    "Status",
    "Tool",
    "ToolCall",
    "Transcript",
    "Turn",
    "TurnModels",
    "UserError",
    "Verdict",
    "__version__",
    "is_question",
    "is_thanks",
    "refers_back",
    "wants_change",
]
