"""A scene on the loopback Discord: a server with a channel, two people, and Parley's adapter listening."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.adapter import AdapterOff, Origin
from bot.adapters.discord import Discord
from bot.commands import Command, commands_of
from bot.config import load_config
from bot.messages import Channel, Message, Person, Press
from bot.skill import Skill
from tests.fakes.discord import FakeDiscord, Room, User
from tests.topics import topics_of

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
OGG = b"OggS" + bytes(200)


@dataclass
class Listener:
    """A host that only remembers what it was told, each message once. `trouble` is what it raises instead."""

    messages: list[Message] = field(default_factory=list)
    edits: list[Message] = field(default_factory=list)
    deletions: list[tuple[Channel, list[str]]] = field(default_factory=list)
    presses: list[Press] = field(default_factory=list)
    says: str = ""  # to who presses something
    chosen: dict[str, dict[str, Any]] = field(default_factory=dict)
    configured: list[tuple[Channel, Person, str, dict[str, Any], bool]] = field(default_factory=list)
    topics: tuple[Command, ...] = ()
    notebook: "Notebook | None" = None
    from_where: dict[str, dict[str, Origin]] = field(default_factory=dict)
    taken_back: list[tuple[str, list[str], bool]] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    moves: list[tuple[str, str, bool]] = field(default_factory=list)
    trouble: Exception | None = None
    again: int = 0

    async def heard(self, message: Message) -> bool:
        if self.trouble:
            raise self.trouble
        if message.id in {known.id for known in self.messages}:
            self.again += 1
            return False
        self.messages.append(message)
        return True

    async def edited(self, message: Message) -> None:
        self.edits.append(message)

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        self.deletions.append((channel, list(message_ids)))

    async def pressed(self, press: Press) -> str:
        self.presses.append(press)
        return self.says

    async def export(self, person: Person, channel: Channel) -> bytes:
        return json.dumps({"platform": channel.platform, "person": person.id}).encode()

    async def forget(self, person: Person, channel: Channel) -> int:
        self.forgotten.append(person.id)
        return 1

    async def left(self, platform: str, tenant: str, *, back: bool = False) -> None:
        self.moves.append((platform, tenant, back))

    def settable(self, channel: Channel) -> tuple[Command, ...]:
        return self.topics

    async def choices(self, channel: Channel) -> dict[str, dict[str, Any]]:
        return self.chosen

    async def origins(self, channel: Channel) -> dict[str, dict[str, Origin]]:
        return self.from_where

    async def configure(
        self,
        channel: Channel,
        person: Person,
        name: str,
        chosen: dict[str, Any],
        *,
        everywhere: bool = False,
        reset: Collection[str] = (),
    ) -> None:
        if self.trouble:
            raise self.trouble
        self.configured.append((channel, person, name, chosen, everywhere))
        self.taken_back.append((name, sorted(reset), everywhere))
        self.chosen[name] = {**self.chosen.get(name, {}), **chosen}
        if self.notebook and name.startswith("@"):  # the adapter reads these itself
            key = (channel.platform, channel.tenant, "" if everywhere else channel.settings_id)
            await self.notebook.choose(key, name, self.chosen[name])


class Notebook:
    """The part of a store that this adapter uses. One that is handed on to the next adapter survives the restart."""

    def __init__(self) -> None:
        self.written: list[tuple[str, dict[str, Any]]] = []
        self.choices: dict[tuple[tuple[str, str, str], str], dict[str, Any]] = {}

    async def note(self, platform: str, name: str, value: dict[str, Any]) -> None:
        assert platform == "discord"
        self.written.append((name, json.loads(json.dumps(value))))

    async def noted(self, platform: str, name: str) -> dict[str, Any] | None:
        return next((value for written, value in reversed(self.written) if written == name), None)

    async def chosen(self, key: tuple[str, str, str], skill: str) -> dict[str, Any]:
        everywhere = self.choices.get(((key[0], key[1], ""), skill), {})
        return {**everywhere, **self.choices.get((key, skill), {})}

    async def chosen_at(self, key: tuple[str, str, str], skill: str) -> dict[str, Any]:
        return self.choices.get((key, skill), {})

    async def choose(self, key: tuple[str, str, str], skill: str, chosen: dict[str, Any]) -> None:
        self.choices[key, skill] = json.loads(json.dumps(chosen))


@contextlib.asynccontextmanager
async def loopback(**settings: Any) -> AsyncIterator[FakeDiscord]:
    """A loopback Discord. Afterwards discord.py, which keeps the server's address in its classes, forgets it."""
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    try:
        async with FakeDiscord(**settings) as discord:
            yield discord
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before


def adapter_for(
    discord: FakeDiscord, *skills: Skill[Any, Any], token: str = "", notebook: Notebook | None = None, **settings: Any
) -> Discord:
    config = load_config(discord_token=token or discord.token, discord_api=discord.api, **settings)
    adapter = Discord(config, notebook or Notebook())  # type: ignore[arg-type]  # all of a store that it needs
    adapter.commands = commands_of(skills)
    return adapter


def place(room: Room) -> Channel:
    return Channel("discord", room.id, room.guild.id if room.guild else "", "channel", room.name)


@contextlib.asynccontextmanager
async def running(adapter: Discord, host: Listener) -> "AsyncIterator[asyncio.Task[None]]":
    task = asyncio.create_task(adapter.run(host))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, AdapterOff):
            await task


class Scene:
    """Use as a context manager: within it the bot is there. `task` is its `run`."""

    def __init__(self, discord: FakeDiscord, *skills: Skill[Any, Any], **settings: Any) -> None:
        self.discord = discord
        self.guild = discord.guild("The Harbour")
        self.general = discord.channel(self.guild, "general")
        self.ada: User = discord.person("Ada")
        self.bob: User = discord.person("Bob")
        self.channel = place(self.general)
        self.notebook = Notebook()
        self.adapter = adapter_for(discord, *skills, notebook=self.notebook, **settings)
        self.host = Listener(topics=topics_of(skills, self.adapter), notebook=self.notebook)
        self.stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.task = await self.stack.enter_async_context(running(self.adapter, self.host))
        await self.discord.online()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stack.aclose()

    async def heard(self, count: int = 1) -> Message:
        """The latest message, once there are `count`."""
        await self.discord.until(lambda: len(self.host.messages) >= count)
        return self.host.messages[-1]

    async def nothing_heard_before(self) -> None:
        """Everything said until now passed by unheard: the first to be heard is what is said last."""
        await self.discord.say(self.general, self.bob, "and now?", mention_bot=True)
        assert (await self.heard()).text == "and now?"
        assert len(self.host.messages) == 1
