"""Every platform as a person uses it, with the same few gestures: say something, attach something, look."""

import asyncio
import contextlib
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import aiohttp

from bot.app import Parley
from bot.config import Config, load_config
from tests.fakes.discord import FakeDiscord
from tests.fakes.openai import FakeOpenAI
from tests.fakes.teams import FakeTeams

Given = tuple[str, str, bytes]  # name, media type, content
DEADLINE = 20.0


@dataclass
class Seen:
    """A message of the bot as it is seen now. `states` are its texts so far, where the platform keeps them."""

    text: str
    files: list[tuple[str, bytes]]
    states: list[str] = field(default_factory=list)
    running: bool = False


class Platform(ABC):
    """A place where people talk to Parley. Parley itself is started and stopped with `start` and `stop`."""

    name: ClassVar[str]

    def __init__(self, openai: FakeOpenAI, config: Config) -> None:
        self.openai = openai
        self._config = config
        self.parley: Parley | None = None
        self._running: asyncio.Task[None] | None = None

    def settings(self) -> dict[str, Any]:
        """What Parley has to know to come here."""
        return {}

    async def start(self) -> None:
        """Start Parley, and wait until it can be spoken to here."""
        config = load_config(
            folder=self._config.folder,
            port=0,
            openai_base_url=self.openai.url,
            openai_api_key=self.openai.key,
            **self.settings(),
        )
        self.parley = await Parley.open(config, only=(self.name,))
        assert not self.parley.off, self.parley.off
        ready = asyncio.Event()
        self._running = asyncio.create_task(self.parley.run(ready.set))
        async with asyncio.timeout(DEADLINE):
            await ready.wait()
        await self.arrived()

    @abstractmethod
    async def arrived(self) -> None:
        """Wait until the bot is there."""

    async def stop(self) -> None:
        """Stop Parley as an operator would."""
        if self.parley is not None and self._running is not None:
            self.parley.stop()
            await self._running
            await self.parley.close()
            self.parley = self._running = None

    @abstractmethod
    async def say(self, text: str, *files: Given, voice: bool = False) -> None:
        """Say something to the bot."""

    @abstractmethod
    async def seen(self) -> list[Seen]:
        """Everything the bot has said so far."""

    async def until(self, true: Callable[[list[Seen]], bool]) -> list[Seen]:
        """Look until it is true of what is seen."""
        async with asyncio.timeout(DEADLINE):
            while not true(await self.seen()):
                await asyncio.sleep(0.02)
        return await self.seen()

    async def done(self) -> None:
        """Wait until the bot has nothing left to say."""
        assert self.parley is not None
        async with asyncio.timeout(DEADLINE):
            await self.parley.dispatch.idle()

    async def ask(self, text: str, *files: Given, voice: bool = False) -> list[Seen]:
        """Say something, wait, and return what the bot said to it."""
        before = len(await self.seen())
        await self.say(text, *files, voice=voice)
        await self.until(lambda seen: len(seen) > before)
        await self.done()
        return (await self.seen())[before:]


class OnDiscord(Platform):
    name = "discord"

    def __init__(self, openai: FakeOpenAI, config: Config, discord: FakeDiscord) -> None:
        super().__init__(openai, config)
        self.discord = discord
        self.ada = discord.person("Ada")
        guild = discord.guild()
        discord.join(guild, self.ada)
        self.channel = discord.channel(guild)
        self.private = discord.dm(self.ada)
        self.room = self.channel

    def settings(self) -> dict[str, Any]:
        return {"discord_token": self.discord.token, "discord_api": self.discord.api}

    async def arrived(self) -> None:
        await self.discord.online()

    async def say(self, text: str, *files: Given, voice: bool = False) -> None:
        if voice:  # a voice message cannot mention anybody: it is sent in private
            self.room = self.private
        mentioned = self.room is self.channel
        await self.discord.say(self.room, self.ada, text, mention_bot=mentioned, attachments=files, voice=voice)

    async def seen(self) -> list[Seen]:
        return [
            Seen(
                "\n".join(line for line in post.content.split("\n") if not line.startswith("-# ")),
                [(file.content_type, file.data) for file in post.files],
                post.versions,
            )
            for room in (self.channel, self.private)
            for post in self.discord.answers(room)
        ]


class OnTeams(Platform):
    name = "teams"

    def __init__(self, openai: FakeOpenAI, config: Config, teams: FakeTeams) -> None:
        super().__init__(openai, config)
        self.teams = teams
        self.ada = teams.person("Ada")
        self.conversation = teams.personal(self.ada)

    def settings(self) -> dict[str, Any]:
        return self.teams.settings()

    async def arrived(self) -> None:
        assert self.parley is not None
        self.teams.bot_url = f"http://127.0.0.1:{self.parley.server.port}/api/messages"

    async def say(self, text: str, *files: Given, voice: bool = False) -> None:
        attached = [
            self.teams.picture(content, kind) if kind.startswith("image/") else self.teams.file(name, content, kind)
            for name, kind, content in files
        ]
        answered = await self.teams.say(self.conversation, self.ada, text, attachments=attached)
        assert answered.status == 202, answered
        assert answered.seconds < 1

    async def seen(self) -> list[Seen]:
        seen = [
            Seen(
                shown.text,
                [(file.media_type, file.data) for file in shown.files if "card" not in file.media_type],
                shown.states,
            )
            for shown in self.teams.answers(self.conversation)
        ]
        return [each for each in seen if each.text or each.files]  # buttons may stand in a message of their own


class OnThePage(Platform):
    name = "web"

    def __init__(self, openai: FakeOpenAI, config: Config, session: aiohttp.ClientSession) -> None:
        super().__init__(openai, config)
        self.session = session
        self.room = str(uuid.uuid4())

    async def arrived(self) -> None:
        assert self.parley is not None
        address, _, token = self.parley.adapters[0].greeting.partition("/?token=")
        self.address = address
        self.session.headers["Authorization"] = f"Bearer {token}"

    async def say(self, text: str, *files: Given, voice: bool = False) -> None:
        form = aiohttp.FormData(default_to_multipart=True)
        form.add_field("id", str(uuid.uuid4()))
        form.add_field("text", text)
        form.add_field("new", "1")
        for name, kind, content in files:
            form.add_field("file", content, filename=name, content_type=kind)
        async with self.session.post(f"{self.address}/api/rooms/{self.room}/messages", data=form) as response:
            assert response.status == 202, await response.text()

    async def seen(self) -> list[Seen]:
        async with self.session.get(f"{self.address}/api/rooms/{self.room}/messages") as response:
            if response.status == 404:
                return []
            messages = (await response.json())["messages"]
        return [
            Seen(
                each["text"],
                [await self._file(file["id"]) for file in each["files"]],
                running=each["running"],
            )
            for each in messages
            if each["role"] == "assistant"
        ]

    async def _file(self, file_id: str) -> tuple[str, bytes]:
        async with self.session.get(f"{self.address}/api/files/{file_id}") as response:
            assert response.status == 200
            return response.content_type, await response.read()


@contextlib.asynccontextmanager
async def platform_of(name: str, openai: FakeOpenAI, config: Config) -> AsyncIterator[Platform]:
    """A platform by name, with Parley running on it."""
    async with contextlib.AsyncExitStack() as stack:
        platform: Platform
        if name == "discord":
            platform = OnDiscord(openai, config, await stack.enter_async_context(FakeDiscord()))
        elif name == "teams":
            platform = OnTeams(openai, config, await stack.enter_async_context(FakeTeams()))
        else:
            platform = OnThePage(openai, config, await stack.enter_async_context(aiohttp.ClientSession()))
        stack.push_async_callback(platform.stop)
        await platform.start()
        yield platform


PLATFORMS: Sequence[str] = ("discord", "teams", "web")
