"""One turn with real models at a server on loopback, for the tests of the model layer."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.config import load_config
from bot.messages import Status
from bot.models import Choice, ModelError, Models, Prompt, Role, Tool, ToolCall, TurnModels, Usage
from bot.models.compatible import Compatible
from bot.models.connection import Connection
from bot.models.find import find_models
from bot.models.profiles import PROFILES, Profile
from tests.fakes.openai import FakeOpenAI

__all__ = ["Turn", "models_at", "models_of"]


class Turn:
    """One turn with models, and everything it was told about it."""

    def __init__(self, models: Models) -> None:
        self.all = models
        self.used: list[Usage] = []
        self.shown: list[Status] = []
        self.asked = 0
        self.refusal: Exception | None = None
        self.models: TurnModels = models.for_turn(self.used.append, self._before, self.shown.append)

    async def _before(self, guess: Usage) -> None:
        self.asked += 1
        if self.refusal:
            raise self.refusal

    async def ask(self, *said: str | Prompt, max_tokens: int | None = None) -> str:
        """Say these one after the other; the whole answer."""
        return "".join([piece async for piece in self.models.chat(_prompts(said), max_tokens=max_tokens)])

    async def converse(self, *said: str | Prompt, tools: Sequence[Tool]) -> tuple[str, list[ToolCall]]:
        """Say these with tools at hand: what is answered, and what is called."""
        pieces = [piece async for piece in self.models.converse(_prompts(said), tools=tools)]
        text = "".join(piece for piece in pieces if isinstance(piece, str))
        return text, [piece for piece in pieces if isinstance(piece, ToolCall)]

    async def fail(self, *said: str | Prompt, tools: Sequence[Tool] = ()) -> tuple[str, ModelError]:
        """Say these, when it ends with an error: what was said before, and the error. No tool is called."""
        text = ""
        try:
            async for piece in self.models.converse(_prompts(said or ("hi",)), tools=tools):
                assert isinstance(piece, str)
                text += piece
        except ModelError as error:
            return text, error
        pytest.fail(f"it did not fail, but said: {text}")


@contextlib.asynccontextmanager
async def models_at(openai: FakeOpenAI, **config: Any) -> AsyncIterator[Turn]:
    """A turn with the models that are found when the environment names this server."""
    models = await find_models(load_config(openai_base_url=openai.url, openai_api_key=openai.key, **config))
    try:
        yield Turn(models)
    finally:
        await models.close()


@contextlib.asynccontextmanager
async def models_of(url: str, *names: str, key: str = "", profile: Profile | None = None) -> AsyncIterator[Turn]:
    """A turn with these models of this server, and a profile of one's own."""
    connection = Connection()
    profile = replace(profile or PROFILES["custom"], base_url=url, lists=False)
    server = Compatible(profile, key, connection)
    roles: tuple[Role, ...] = ("chat", "vision", "image", "speech", "voice", "embed", "moderate")
    models = Models({role: [Choice(server, name) for name in names] for role in roles}, close=connection.close)
    try:
        yield Turn(models)
    finally:
        await models.close()


def _prompts(said: Sequence[str | Prompt]) -> list[Prompt]:
    return [Prompt("user", each) if isinstance(each, str) else each for each in said]
