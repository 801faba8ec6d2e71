"""The Teams adapter on a real server, with a host that only takes notes in place of the core."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

import pytest
from aiohttp import web

from bot.adapter import Origin
from bot.adapters.teams import Teams
from bot.commands import Command, commands_of
from bot.config import load_config
from bot.conversation import Conversation
from bot.discovery import find_skills
from bot.dispatch import Dispatch
from bot.errors import UserError
from bot.messages import Channel, Message, Person, Press
from bot.models import Provider
from bot.testing import ScriptedModel, models_of
from storage import Store
from tests.fakes.teams import FakeTeams
from tests.topics import topics_of


class Notes:
    """A host that writes down what adapters tell it. `fails` is raised instead, while it is set."""

    def __init__(self) -> None:
        self.heard_: list[Message] = []
        self.edited_: list[Message] = []
        self.deleted_: list[tuple[Channel, list[str]]] = []
        self.stopped: list[tuple[str, str]] = []
        self.presses: list[Press] = []
        self.says = ""
        self.set_: dict[str, dict[str, Any]] = {}
        self.configured: list[tuple[str, str, dict[str, Any], bool]] = []
        self.topics: tuple[Command, ...] = ()
        self.from_where: dict[str, dict[str, Origin]] = {}
        self.taken_back: list[tuple[str, list[str], bool]] = []
        self.fails: Exception | None = None
        self.open = asyncio.Event()  # while it is not set, storing takes its time
        self.open.set()

    async def heard(self, message: Message) -> bool:
        await self.open.wait()
        if self.fails is not None:
            raise self.fails
        known = {(each.channel.key, each.id) for each in self.heard_}
        if (message.channel.key, message.id) in known:
            return False
        self.heard_.append(message)
        return True

    async def edited(self, message: Message, *, addressed: bool = True) -> None:
        self.edited_.append(message)

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        self.deleted_.append((channel, list(message_ids)))

    async def stop(self, channel: Channel, message_id: str, person: Person) -> bool:
        self.stopped.append((message_id, person.id))
        return True

    async def pressed(self, press: Press) -> str:
        self.presses.append(press)
        return self.says

    def settable(self, channel: Channel) -> tuple[Command, ...]:
        return self.topics

    async def choices(self, channel: Channel) -> Mapping[str, Mapping[str, Any]]:
        return self.set_

    async def origins(self, channel: Channel) -> Mapping[str, Mapping[str, Origin]]:
        return self.from_where

    async def configure(
        self,
        channel: Channel,
        person: Person,
        skill: str,
        chosen: Mapping[str, Any],
        *,
        everywhere: bool = False,
        reset: Collection[str] = (),
    ) -> None:
        if not person.moderator:
            raise UserError("Only a moderator can change this.")
        most = chosen.get("most", 1)
        if skill == "draw" and not (isinstance(most, int) and most <= 4):
            raise UserError("“most” has to be a whole number from 1 to 4.")
        self.configured.append((channel.settings_id, skill, dict(chosen), everywhere))
        self.taken_back.append((skill, sorted(reset), everywhere))

    @property
    def last(self) -> Message:
        return self.heard_[-1]


class Slow(ScriptedModel):
    """A model that says two words of each answer, and the rest when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def chat(self, *args: Any, **options: Any) -> AsyncGenerator[Any, None]:
        yield "Foxes are"
        await self.go.wait()
        async for each in super().chat(*args, **options):
            yield each


def at_full_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """For stories that are not about pace: Teams takes any number of calls, and the bot knows that."""
    monkeypatch.setattr("bot.adapters.teams.pace._WINDOWS", ((1000, 1.0),))
    monkeypatch.setattr("tests.fakes.teams.rates.WINDOWS", ((1000, 1.0),))


class TeamsBot:
    """Parley's Teams side, started on a free port and known to `teams`; with a `model`, the whole of it."""

    def __init__(
        self,
        teams: FakeTeams,
        store: Store,
        *,
        model: Provider | None = None,
        auto_decompress: bool = True,
        **settings: Any,
    ) -> None:
        self.teams = teams
        self._auto_decompress = auto_decompress
        self.config = load_config(port=0, **(teams.settings() | settings))
        self.adapter = Teams(self.config, store)
        self.notes = Notes()
        self.skills = {found.name: found.skill for found in find_skills() if found.skill}
        self.adapter.commands = commands_of(self.skills.values())
        self.notes.topics = topics_of(self.skills.values(), self.adapter)
        self.core: Dispatch | None = None
        if model is not None:
            self.core = Dispatch(store, Conversation(store, self.skills, models_of(model), {"teams": self.adapter}))
        self._runner: web.AppRunner | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_routes(self.adapter.routes())
        self._runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=1, auto_decompress=self._auto_decompress
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.teams.bot_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/messages"
        self._running = asyncio.create_task(self.adapter.run(self.core or self.notes))
        await asyncio.sleep(0)  # it listens from its first step on
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        await self.stop()
        await self._runner.cleanup()

    async def stop(self) -> None:
        """End the adapter; its server still answers."""
        assert self._running is not None
        if self.core is not None:
            await self.core.drain(0)
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
