"""The Teams adapter on a real server, with a host that only takes notes in place of the core."""

import asyncio
import contextlib
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from bot.adapters.teams import Teams
from bot.config import load_config
from bot.messages import Channel, Message, Person
from storage import Store
from tests.fakes.teams import FakeTeams


class Notes:
    """A host that writes down what adapters tell it. `fails` is raised instead, while it is set."""

    def __init__(self) -> None:
        self.heard_: list[Message] = []
        self.edited_: list[Message] = []
        self.deleted_: list[tuple[Channel, list[str]]] = []
        self.stopped: list[tuple[str, str]] = []
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

    @property
    def last(self) -> Message:
        return self.heard_[-1]


class TeamsBot:
    """Parley's Teams side, started on a free port and known to `teams`."""

    def __init__(self, teams: FakeTeams, store: Store, **settings: Any) -> None:
        self.teams = teams
        self.config = load_config(port=0, **(teams.settings() | settings))
        self.adapter = Teams(self.config, store)
        self.notes = Notes()
        self._runner: web.AppRunner | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_routes(self.adapter.routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.teams.bot_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/api/messages"
        self._running = asyncio.create_task(self.adapter.run(self.notes))
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
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
