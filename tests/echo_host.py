"""A bot for the page's tests: it hears, and answers only what the test lets it answer, step by step."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from bot.adapter import Community, Origin
from bot.adapters.web import Web
from bot.commands import Command
from bot.config import Config, load_config
from bot.messages import Attachment, Button, Channel, Message, Person, Press, Reply
from storage import Store, open_store
from tests.prepared import prepared

__all__ = ["STATUS", "Answering", "EchoHost", "PageServer", "serving"]

STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "model": "gpt-test at 127.0.0.1",
    "practice": False,
    "skills": [{"name": "chat", "help": "Talk about anything."}, {"name": "draw", "help": "Draw a picture."}],
    "platforms": [
        {"name": "web", "on": True, "text": ""},
        {"name": "discord", "on": False, "text": "Set DISCORD_TOKEN to answer on Discord."},
        {"name": "teams", "on": False, "text": "Set TEAMS_APP_ID to answer in Microsoft Teams."},
    ],
}


class EchoHost:
    """The core's side, as far as the page can tell. `fails` is raised instead of hearing the next message, `says` is
    what it says to a press.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.removed: list[tuple[Channel, list[str]]] = []
        self.stopped: list[tuple[str, Person]] = []
        self.fails: Exception | None = None
        self.can_stop = True
        self.pressing: list[Press] = []
        self.says = ""
        self._pressed: asyncio.Queue[Press] = asyncio.Queue()
        self._new: asyncio.Queue[Message] = asyncio.Queue()
        self._stop = asyncio.Event()

    async def heard(self, message: Message) -> bool:
        if self.fails is not None:
            raise self.fails
        if any(each.id == message.id for each in self.messages):
            return False
        self.messages.append(message)
        self._new.put_nowait(message)
        return True

    async def edited(self, message: Message) -> None:
        raise AssertionError("the page does not edit messages")

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        self.removed.append((channel, list(message_ids)))

    async def stop(self, channel: Channel, message_id: str, person: Person) -> bool:
        self.stopped.append((message_id, person))
        self._stop.set()
        return self.can_stop

    async def pressed(self, press: Press) -> str:
        if self.fails is not None:
            raise self.fails
        self.pressing.append(press)
        self._pressed.put_nowait(press)
        return self.says

    def settable(self, channel: Channel) -> tuple[Command, ...]:
        return ()

    async def communities(self, person: Person) -> tuple[Community, ...]:
        return ()

    async def choices(self, channel: Channel) -> Mapping[str, Mapping[str, Any]]:
        raise AssertionError("nothing can be set here")

    async def origins(self, channel: Channel) -> Mapping[str, Mapping[str, Origin]]:
        raise AssertionError("nothing can be set here")

    async def configure(
        self,
        channel: Channel,
        person: Person,
        name: str,
        chosen: Mapping[str, Any],
        *,
        everywhere: bool = False,
        reset: Collection[str] = (),
    ) -> None:
        raise AssertionError("nothing can be set here")

    async def press(self) -> Press:
        """The next button somebody presses."""
        async with asyncio.timeout(10):
            return await self._pressed.get()

    async def asked(self) -> Message:
        """The next message somebody sends."""
        async with asyncio.timeout(10):
            return await self._new.get()

    async def told_to_stop(self) -> None:
        async with asyncio.timeout(10):
            await self._stop.wait()


class Answering:
    """An answer that the test lets grow."""

    numbers = itertools.count()

    def __init__(self, adapter: Web, question: Message) -> None:
        self.adapter = adapter
        self.question = question
        self.nonce = f"{question.id[:18]}-{next(self.numbers)}"
        self.id = ""

    async def show(self, text: str, *attachments: Attachment, status: bool = False) -> None:
        """More of the answer, which goes on; `attachments` are unfinished, and with `status` nothing is said yet."""
        await self._show(Reply(text, attachments, buttons=(Button("stop", "Stop"),), running=True, status=status))

    async def finish(
        self, text: str, *attachments: Attachment, footer: str = "", buttons: tuple[Button, ...] = ()
    ) -> None:
        """All of the answer."""
        await self._show(Reply(text, attachments, footer, buttons))

    async def _show(self, reply: Reply) -> None:
        channel = self.question.channel
        if self.id:
            await self.adapter.edit(channel, self.id, reply)
        else:
            self.id = await self.adapter.post(channel, reply, answers=self.question.id, nonce=self.nonce)


class PageServer:
    """The page as it is really served: adapter, storage and HTTP server, without the rest of the bot."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.config: Config = load_config(folder=folder, **{"port": 0, **settings})
        self.host = EchoHost()
        self.status: dict[str, Any] = dict(STATUS)
        self.store: Store
        self.adapter: Web
        self._runner: web.AppRunner
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """The address `parley run` would print."""
        return self.adapter.greeting

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.adapter.port}"

    @property
    def token(self) -> str:
        return self.address.partition("token=")[2]

    async def start(self, port: int = 0, *, listening: bool = True) -> None:
        if not self.config.folder.exists():
            prepared(self.config.folder)
        self.store = await open_store(self.config.database)
        self.adapter = Web(self.config, self.store)
        application = web.Application(client_max_size=128 * 1024 * 1024)
        application.router.add_routes(self.adapter.routes())
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=5, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await site.start()
        self.adapter.port = self._runner.addresses[0][1]
        self.adapter.status = lambda: self.status
        if listening:
            await self.run()

    async def run(self) -> None:
        """Let the adapter run; without it the page is served, but nobody hears."""
        self._task = asyncio.create_task(self.adapter.run(self.host))
        while self.adapter._api.host is None:
            if self._task.done():
                self._task.result()  # it says why
            await asyncio.sleep(0)

    async def stop_listening(self) -> None:
        """End the adapter, as the core does before it ends the HTTP server."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def stop(self) -> None:
        await self.stop_listening()
        await self._runner.cleanup()
        await self.store.close()

    async def answering(self) -> Answering:
        """The answer to the next question."""
        return Answering(self.adapter, await self.host.asked())


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[PageServer]:
    server = PageServer(folder, **settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
