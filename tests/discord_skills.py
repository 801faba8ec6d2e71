"""Skills for tests of what Discord makes of their forms. They answer nothing."""

from typing import Any, Literal

from bot import Field, Request, Settings, Skill


class TalkSettings(Settings):
    persona: str = Field("", max_length=4000, description="Who the bot is and how it speaks in this channel")


class TalkRequest(Request):
    text: str = Field(..., max_length=6000, description="What you want to say")


class Talk(Skill[TalkSettings, TalkRequest]):
    """Talk about anything."""

    name = "chat"
    menu = "Ask about this"


class PaintSettings(Settings):
    most: int = Field(2, ge=1, le=4, description="How many pictures may be drawn at once")
    style: Literal["plain", "bold"] = Field("plain", description="How they look")
    signed: bool = Field(True, description="Put a small name below each picture, as painters do")


class PaintRequest(Request):
    prompt: str = Field(..., max_length=4000, description="What to draw")
    size: Literal["any", "square", "wide", "tall"] = Field("any", description="The shape of the picture")
    count: int = Field(1, ge=1, le=4, description="How many pictures")
    strength: float = Field(0.5, ge=0, le=1, description="How far to go")
    fine_lines: bool = Field(False, description="Draw with fine lines")


class Paint(Skill[PaintSettings, PaintRequest]):
    """Draw a picture of what you describe."""

    name = "draw"


class LookRequest(Request):
    question: str = Field("", description="What you want to know about the picture")


class Look(Skill[Settings, LookRequest]):
    """Describe a picture, or answer a question about it."""

    name = "describe"
    takes = ("image",)
    menu = "Describe picture"


class WordsRequest(Request):
    language: Literal[*[f"language {number}" for number in range(30)]] = Field(  # type: ignore[valid-type]
        "language 0", description="Which language"
    )


class Words(Skill[Settings, WordsRequest]):
    """Say it in another language."""

    name = "translate"
    menu = "Translate"


class RecapRequest(Request):
    hours: int = Field(24, ge=1, le=168, description="How many hours back")


class Recap(Skill[Settings, RecapRequest]):
    """Say what you have missed."""

    name = "catch-up"
    private = True


EVERY: tuple[Skill[Any, Any], ...] = (Talk(), Paint(), Look(), Words(), Recap())
