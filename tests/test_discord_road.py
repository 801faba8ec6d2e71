"""Commands and buttons on the whole road: Discord's wire, the adapter, the core, real storage, the built-in skills."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.adapters.discord import Discord
from bot.commands import commands_of
from bot.config import Config, load_config
from bot.conversation import Conversation
from bot.discovery import find_skills
from bot.dispatch import Dispatch, Load
from bot.testing import ScriptedModel, models_of
from storage import Store
from tests.discord_scene import PNG, loopback, running
from tests.fakes.discord import FakeDiscord, Flag, Post, Room, User

pytestmark = pytest.mark.usefixtures("config")


class Town:
    """A server with a channel and two people, and the whole bot in it."""

    def __init__(self, discord: FakeDiscord, store: Store, model: ScriptedModel) -> None:
        self.discord = discord
        self.store = store
        self.model = model
        self.guild = discord.guild()
        self.general: Room = discord.channel(self.guild, "general")
        self.ada: User = discord.person("Ada")
        self.bob: User = discord.person("Bob")

    @contextlib.asynccontextmanager
    async def bot(self, load: Load | None = None, *, at_once: bool = False) -> "AsyncIterator[Dispatch]":
        """One process of it; `at_once` it takes up what was left undone, before it has joined."""
        skills = {found.name: found.skill for found in find_skills() if found.skill}
        adapter = Discord(load_config(discord_token=self.discord.token, discord_api=self.discord.api), self.store)
        adapter.commands = commands_of(skills.values())
        conversation = Conversation(self.store, skills, models_of(self.model), {"discord": adapter})
        dispatch = Dispatch(self.store, conversation, load)
        async with running(adapter, dispatch):  # type: ignore[arg-type]
            if at_once:
                await asyncio.sleep(0)
                await dispatch.recover(["discord"])
            await self.discord.online()
            await self.discord.until(lambda: self.discord.commands)
            if not at_once:
                await dispatch.recover(["discord"])
            yield dispatch
            await dispatch.drain(0)

    async def kept(self) -> None:
        """Wait until a question is safely stored."""
        async with asyncio.timeout(10):
            while not await self.store.undone():
                await asyncio.sleep(0.01)

    async def finished(self, text: str) -> Post:
        """The answer of the bot that says this, once nothing more will come."""
        return await self.discord.until(
            lambda: next(
                (
                    post
                    for post in (*self.discord.answers(self.general), *self.discord.whispers(self.ada))
                    if post.content.startswith(text) and not post.flags & Flag.LOADING and "Stop" not in labels(post)
                ),
                None,
            )
        )


def labels(post: Post) -> list[str]:
    return [one["label"] for row in post.components for one in row["components"]]


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


async def test_a_command_is_answered_and_its_buttons_work(discord: FakeDiscord, config: Config, store: Store) -> None:
    town = Town(discord, store, ScriptedModel("First.", "Second.", "Third."))
    async with town.bot() as dispatch:
        await discord.command(town.general, town.ada, "chat", text="Say something.")
        answer = await town.finished("First.")
        await dispatch.idle()
        assert labels(answer)[-3:] == ["Regenerate", "👍", "👎"]
        await discord.press(answer, town.bob, "Regenerate")
        [told] = await discord.until(lambda: discord.whispers(town.bob))
        assert told.content == "Only who asked, or a moderator, can do this."
        await discord.press(answer, town.ada, "Regenerate")
        assert await town.finished("Second.") is answer
        await discord.press(answer, town.bob, "👍")
        await discord.until(lambda: len(discord.whispers(town.bob)) == 2)
        await discord.say(town.general, town.ada, "And now?", mention_bot=True)
        await town.finished("Third.")
        asked = [prompt.text for prompt in town.model.asked[-1]]
        assert any("Say something." in text for text in asked), "what was asked by a command is remembered"
    assert [post.content for post in discord.answers(town.general)] == ["Second.", "Third."]


async def test_what_was_asked_in_private_is_not_remembered(discord: FakeDiscord, config: Config, store: Store) -> None:
    town = Town(discord, store, ScriptedModel("Between us.", "Yes?"))
    async with town.bot():
        await discord.command(town.general, town.ada, "chat", text="A secret.", private=True)
        answer = await town.finished("Between us.")
        assert (answer.seen_by, labels(answer)) == (town.ada, ["Publish"])
        await discord.say(town.general, town.bob, "Hello", mention_bot=True)
        await town.finished("Yes?")
    assert not any("secret" in prompt.text for prompt in town.model.asked[-1])


async def test_a_command_that_was_heard_by_a_process_that_ended_is_answered_by_the_next(
    discord: FakeDiscord, config: Config, store: Store
) -> None:
    town = Town(discord, store, ScriptedModel("Here I am."))
    async with town.bot() as dispatch:
        await dispatch.drain(0)  # it still hears, but begins nothing any more
        called = await discord.command(town.general, town.ada, "chat", text="Anybody there?", private=True)
        await discord.until(lambda: called.response)
        await town.kept()
    async with town.bot():
        answer = await town.finished("Here I am.")
    assert answer is called.original
    assert answer.seen_by is town.ada


async def test_what_was_asked_in_private_stays_private_though_storage_is_slow_after_a_restart(
    discord: FakeDiscord, config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = store.noted

    async def slowly(platform: str, name: str) -> dict[str, Any] | None:
        if name.startswith("interactions"):
            await asyncio.sleep(0.05)  # twenty of them: the answer is ready long before
        return await noted(platform, name)

    town = Town(discord, store, ScriptedModel("Between us."))
    async with town.bot() as dispatch:
        await dispatch.drain(0)
        called = await discord.command(town.general, town.ada, "chat", text="A secret?", private=True)
        await town.kept()
    monkeypatch.setattr(store, "noted", slowly)
    async with town.bot(at_once=True):
        answer = await town.finished("Between us.")
    assert answer is called.original
    assert answer.seen_by is town.ada
    assert not discord.answers(town.general)


async def test_where_too_much_is_asked_no_command_is_left_waiting(
    discord: FakeDiscord, config: Config, store: Store
) -> None:
    town = Town(discord, store, ScriptedModel("Never said."))
    async with town.bot(Load(of_person=0)):
        for _ in range(3):
            await discord.command(town.general, town.ada, "chat", text="Hello?")
        await discord.until(
            lambda: [post.content[:25] for post in discord.answers(town.general)] == ["There is more to answer t"] * 3
        )


async def test_a_picture_is_described_from_the_menu_of_its_message(
    discord: FakeDiscord, config: Config, store: Store
) -> None:
    town = Town(discord, store, ScriptedModel("A dot."))
    async with town.bot():
        picture = ("dot.png", "image/png", PNG)
        await discord.command(town.general, town.ada, "describe", picture=picture, question="What is it?")
        await town.finished("A dot.")
    assert any("What is it?" in prompt.text for prompt in town.model.asked[-1])


async def test_a_moderator_lets_only_painters_draw(discord: FakeDiscord, config: Config, store: Store) -> None:
    town = Town(discord, store, ScriptedModel(lambda prompts: "Let us talk.", draws=PNG))
    painters, bob = discord.role(town.guild, "painters"), town.bob
    discord.join(town.guild, bob)
    async with town.bot() as dispatch:
        owner = town.guild.owner
        called = await discord.command(town.general, owner, "parley settings", skill="draw")
        settings = await discord.until(lambda: called.original)
        await discord.until(lambda: "Who may use it: **everybody**" in settings.content)
        opened = await discord.press(settings, owner, "Change…")
        await discord.until(lambda: opened.response)
        if all(each["component"]["custom_id"] != "besides" for each in opened.response["data"]["components"]):
            opened = await discord.press(settings, owner, "Change (2)…")
            await discord.until(lambda: opened.response)
        await discord.submit(opened, who="moderators", besides=[painters.id])
        await discord.until(lambda: "Who may use it: **moderators** (set here)" in settings.content)
        assert f"<@&{painters.id}>" in settings.content
        await discord.say(town.general, bob, "draw a fox", mention_bot=True)
        await town.finished("“draw” is for moderators, and for whom they have named, in this channel.")
        await discord.say(town.general, bob, "Please, could you draw me a fox?", mention_bot=True)
        await town.finished("Let us talk.")
        assert "draw" not in town.model.tools
        discord.join(town.guild, bob, painters)
        await discord.say(town.general, bob, "draw a fox", mention_bot=True)
        await discord.until(lambda: any(post.files for post in discord.answers(town.general)))
        await discord.press(settings, owner, "Back to the server's settings")
        await discord.until(lambda: "Who may use it: **everybody**\n" in settings.content)
        await dispatch.idle()
