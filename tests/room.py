"""The core in a room: real storage, real skills, a platform in memory and a scripted model."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Self

from bot.adapter import Limits
from bot.budget import Quotas
from bot.config import Config
from bot.conversation import Conversation
from bot.discovery import find_skills
from bot.dispatch import Dispatch, Load
from bot.messages import Message, Reply
from bot.models import Models, Prompt, Provider, Role, Tool, ToolCall, Usage
from bot.models.provider import Detail
from bot.skill import Skill
from bot.testing import FakeAdapter, ScriptedModel, models_of
from storage import Store


class Stepwise(ScriptedModel):
    """A model that says a word whenever the test lets it."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = words
        self.steps = asyncio.Semaphore(0)

    async def chat(
        self,
        model: str,
        prompts: Sequence[Prompt],
        *,
        role: Role,
        max_tokens: int | None,
        tools: Sequence[Tool] = (),
        detail: Detail = "auto",
    ) -> AsyncGenerator[str | ToolCall | Usage, None]:
        self.asked.append(list(prompts))
        for word in self.words:
            await self.steps.acquire()
            yield word
        yield Usage(self.name, model, role, 1, 1)


class Room:
    """Say something with `ask`; see what comes back. `again()` is the same room after a restart of the bot."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        model: Provider | None = None,
        models: Models | None = None,
        limits: Limits | None = None,
        skills: dict[str, Skill[Any, Any]] | None = None,
        adapter: FakeAdapter | None = None,
        load: Load | None = None,
        quotas: Quotas | None = None,
    ) -> None:
        self.config = config
        self.store = store
        self.model = model or ScriptedModel()
        self.adapter = adapter or FakeAdapter(config, store, limits)
        self.skills = skills or {found.name: found.skill for found in find_skills() if found.skill}
        self.conversation = Conversation(
            store, self.skills, models or models_of(self.model), {"fake": self.adapter}, quotas
        )
        self.dispatch = Dispatch(store, self.conversation, load)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.dispatch.drain(0)

    async def ask(self, text: str, **given: Any) -> Reply:
        """Say something and wait for the whole answer; of several messages, the last."""
        return (await self.ask_for_all(text, **given))[-1]

    async def ask_for_all(self, text: str, **given: Any) -> list[Reply]:
        """Say something and wait for all messages of the answer."""
        message = self.adapter.message(text, **given)
        await self.hear(message)
        return self.adapter.answers_to(message)

    async def hear(self, message: Message) -> None:
        """Let the bot hear a message, and wait until nothing is left to do."""
        await self.dispatch.heard(message)
        await self.dispatch.idle()

    def again(self, **given: Any) -> "Room":
        """The bot after a restart: the same store and the same platform, everything else new."""
        given = {"model": self.model, "skills": self.skills, "adapter": self.adapter} | given
        return Room(self.config, self.store, **given)
