"""The page with the whole bot behind it: real turns, a model that says what it is told to, and a skill that paints."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from bot import Attachment, Button, Field, Keep, Pieces, Request, Settings, Skill, Turn, UserError
from bot.adapter import Adapter, Community
from bot.adapters.web.places import channel_of
from bot.commands import commands_of
from bot.conversation import Conversation
from bot.dispatch import Dispatch
from bot.messages import Channel
from bot.testing import FakeAdapter, ScriptedModel, models_of
from skills.chat import Chat
from storage import Rooms
from tests.echo_host import PageServer

__all__ = ["Harbour", "PageBot", "Paint", "bot_page", "picture"]


def picture(colour: str = "teal", size: tuple[int, int] = (120, 80)) -> bytes:
    """A PNG of one colour."""
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


class PaintSettings(Settings):
    most: int = Field(2, ge=1, le=4, description="How many pictures may be painted at once")
    house: Literal["plain", "framed"] = Field("plain", description="How pictures look here")
    kind: bool = Field(True, description="Say something kind about the picture")
    rules: str = Field("", max_length=1000, description="What is never painted")


class PaintRequest(Request):
    colour: str = Field("", max_length=100, description="The colour to paint in")
    size: Literal["any", "wide", "tall"] = Field("any", description="The shape of the picture")
    count: int = Field(1, ge=1, le=9, description="How many pictures")
    frame: bool = Field(False, description="With a frame")


class Paint(Skill[PaintSettings, PaintRequest]):
    """Paint a picture in one colour."""

    name = "paint"
    menu = "Paint it"
    follows = True

    async def reply(self, turn: Turn[PaintSettings, PaintRequest]) -> Pieces:
        if turn.request.count > turn.settings.most:
            raise UserError(f"I may paint {turn.settings.most} at once here.")
        old = turn.kept.about["colour"] if turn.kept else ""
        colour = turn.request.colour.split()[-1] if turn.request.colour else "navy"
        seen = [await turn.read(each) for each in turn.attached("image")]
        if turn.settings.kind:
            before = f", which was {old}" if old else ""
            shape = f", {turn.request.size}" if turn.request.size != "any" else ""
            yield f"Here it is in **{colour}**{before}{shape}. I looked at {len(seen)}."
        for number in range(turn.request.count):
            yield Attachment(f"{colour}-{number}.png", "image/png", picture(colour, (480, 300)), alt=f"All {colour}")
        yield Button("again", "Variations", request={"colour": "orange"})
        yield Button("undo", "Undo", request={"colour": "grey"})
        yield Keep({"colour": colour})


class Harbour(FakeAdapter):
    """A platform with one server, of two channels."""

    async def communities(self) -> list[Community]:
        general, art = (Channel("discord", str(n), "harbour", name=name) for n, name in ((1, "#general"), (2, "#art")))
        harbour = Community(
            "discord", "harbour", "The Harbour", (general, art), (("77", "painters"), ("78", "sailors"))
        )
        return [harbour, Community("discord", "", "Private")]


class PageBot(PageServer):
    """The page and a bot."""

    def __init__(self, folder: Path, *says: str, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.model = ScriptedModel(*says)
        self.skills: dict[str, Skill[Any, Any]] = {}
        self.elsewhere: type[FakeAdapter] | None = None  # what else people talk on
        self.dispatch: Dispatch

    async def start(self, port: int = 0, *, listening: bool = True) -> None:
        await super().start(port, listening=False)
        self.skills = self.skills or {"chat": Chat(), "paint": Paint()}
        adapters: dict[str, Adapter] = {"web": self.adapter}
        if self.elsewhere:
            adapters["discord"] = self.elsewhere(self.config, self.store, name="discord")
        conversation = Conversation(self.store, self.skills, models_of(self.model), adapters)
        self.dispatch = Dispatch(self.store, conversation)
        self.host = self.dispatch  # type: ignore[assignment]
        self.adapter.commands = commands_of(self.skills.values())
        await self.run()

    def adapter_channel(self, address: str) -> Channel:
        """The conversation that is open at an address."""
        return channel_of(address.partition("#/")[2])

    async def question_of(self, address: str) -> str:
        """The id of the first thing that was said there."""
        return (await Rooms(self.store).message_ids(self.adapter_channel(address).id))[0]

    async def stop(self) -> None:
        await self.dispatch.drain(1)
        await super().stop()


@asynccontextmanager
async def bot_page(
    folder: Path, *says: str, elsewhere: type[FakeAdapter] | None = None, **settings: Any
) -> AsyncIterator[PageBot]:
    """A page with a bot, for a while."""
    server = PageBot(folder, *says, **settings)
    server.elsewhere = elsewhere
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
