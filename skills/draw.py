"""Draw pictures."""

from typing import Literal

from bot import Field, Pieces, Request, Settings, Skill, Status, Turn, UserError

SIZES = {"any": "", "square": "1024x1024", "wide": "1536x1024", "tall": "1024x1536"}


class DrawSettings(Settings):
    most: int = Field(2, ge=1, le=4, description="How many pictures may be drawn at once")


class DrawRequest(Request):
    prompt: str = Field("", max_length=4000, description="What to draw")
    size: Literal["any", "square", "wide", "tall"] = Field("any", description="The shape of the picture")
    count: int = Field(1, ge=1, le=4, description="How many pictures")


class Draw(Skill[DrawSettings, DrawRequest]):
    """Draw a picture of what you describe."""

    name = "draw"

    async def reply(self, turn: Turn[DrawSettings, DrawRequest]) -> Pieces:
        prompt = turn.request.prompt.strip()
        if not prompt:
            raise UserError("Say what I should draw, for example: draw a fox in the snow")
        if turn.request.count > turn.settings.most:
            raise UserError(f"I may draw {turn.settings.most} at once in this channel; please ask for fewer.")
        yield Status("Drawing…")
        for picture in await turn.models.image(prompt, size=SIZES[turn.request.size], count=turn.request.count):
            yield picture
