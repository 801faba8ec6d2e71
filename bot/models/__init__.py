"""Models: what skills ask, and what answers them.

A skill sees `TurnModels` only. `Models` knows which provider and model serve each role; providers speak to them.
Importing this is cheap: the openai library, Pillow and PyAV are loaded when they are first needed.
"""

from bot.models.errors import (
    BadReply,
    Busy,
    Empty,
    ModelError,
    NoCredit,
    NotConfigured,
    Refused,
    Rejected,
    TooLong,
    Truncated,
    Unavailable,
)
from bot.models.provider import (
    Detail,
    Prompt,
    Provider,
    Role,
    Segment,
    Tool,
    ToolCall,
    Transcript,
    Usage,
    Verdict,
    estimate_tokens,
)
from bot.models.roles import Choice, Models
from bot.models.turn import TurnModels

__all__ = [
    "BadReply",
    "Busy",
    "Choice",
    "Detail",
    "Empty",
    "ModelError",
    "Models",
    "NoCredit",
    "NotConfigured",
    "Prompt",
    "Provider",
    "Refused",
    "Rejected",
    "Role",
    "Segment",
    "TooLong",
    "Tool",
    "ToolCall",
    "Transcript",
    "Truncated",
    "TurnModels",
    "Unavailable",
    "Usage",
    "Verdict",
    "estimate_tokens",
]
