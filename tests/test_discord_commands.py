"""What can be called on Discord, and how Discord learns of it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import Field, Request, Settings, Skill
from bot.adapters.discord.commands import command_payloads
from bot.commands import commands_of
from bot.discovery import find_skills
from tests.discord_scene import Listener, Notebook, adapter_for, loopback, running
from tests.discord_skills import EVERY, Look, Paint
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord.registry import register

SCREENS = Path(__file__).parent / "payloads" / "discord" / "screens"
COMMANDS = "/applications/\\d+/commands"


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


def test_the_commands_are_what_a_reviewer_has_seen() -> None:
    """The whole of it, in all languages, is in payloads/discord/screens/commands.json."""
    assert json.loads((SCREENS / "commands.json").read_text()) == command_payloads(commands_of(EVERY))


def test_every_installed_skill_becomes_a_command_that_discord_takes() -> None:
    skills = [found.skill for found in find_skills() if found.skill]
    payloads = command_payloads(commands_of(skills))
    registered = register(payloads, guild=False)
    assert {skill.name for skill in skills} <= {each["name"] for each in registered}
    assert "parley" in {each["name"] for each in registered}


class Endless(Request):
    text: str = Field("", max_length=100_000, description="A " + "very " * 40 + "long story")
    much: int = Field(1, ge=1, le=10**18, description="Much")
    little: float = Field(0.5, gt=0, lt=1, description="Little")
    odd_name: bool = Field(False, description="Odd")


class Odd(Skill[Settings, Endless]):
    """A help that is much longer than Discord takes in the list of commands, so that it is cut where it has to be."""

    name = "odd"
    takes = ("application",)
    menu = "An entry that is longer than Discord takes"


class OurOwn(Skill[Settings, Request]):
    """In our place."""

    name = "parley"


def test_a_skill_that_asks_for_more_than_discord_takes_is_cut_to_fit() -> None:
    payloads = command_payloads(commands_of([Odd(), OurOwn()]))
    register(payloads, guild=False)
    names = [each["name"] for each in payloads]
    assert names == ["odd", "An entry that is longer than Dis", "parley"]
    options = {option["name"]: option for option in payloads[0]["options"]}
    assert list(options) == ["file", "file-2", "file-3", "text", "much", "little", "odd-name", "private"]
    assert options["text"]["max_length"] == 6000
    assert options["text"]["description"].endswith("…")


async def test_discord_is_told_at_the_first_start_and_again_only_when_something_has_changed(
    discord: FakeDiscord,
) -> None:
    notebook = Notebook()
    async with running(adapter_for(discord, Paint(), notebook=notebook), Listener()):
        await discord.until(lambda: discord.commands)
        assert [each["name"] for each in discord.commands] == ["draw", "parley"]
    async with running(adapter_for(discord, Paint(), notebook=notebook), Listener()):
        await discord.online()
        await discord.gateway.ask_to_reconnect()
        await discord.until(lambda: discord.gateway.resumes)
    assert len(discord.called("PUT", COMMANDS)) == 1
    async with running(adapter_for(discord, Paint(), Look(), notebook=notebook), Listener()):
        await discord.until(lambda: "describe" in [each["name"] for each in discord.commands])
    assert len(discord.called("PUT", COMMANDS)) == 2


async def test_for_development_one_server_has_the_commands_at_once_and_later_no_more(discord: FakeDiscord) -> None:
    guild, notebook = discord.guild(), Notebook()
    async with running(adapter_for(discord, Paint(), notebook=notebook, discord_guild=guild.id), Listener()):
        await discord.until(lambda: discord.guild_commands.get(guild.id))
    assert discord.commands == []
    async with running(adapter_for(discord, Paint(), notebook=notebook), Listener()):
        await discord.until(lambda: discord.commands)
    assert discord.guild_commands[guild.id] == []


async def test_what_starts_an_activity_of_the_same_application_stays(discord: FakeDiscord) -> None:
    entry = {
        "id": "77",
        "application_id": discord.bot.id,
        "version": "1",
        "type": 4,
        "handler": 2,
        "nsfw": False,
        "name": "launch",
        "name_localizations": {"de": "starten"},
        "description": "",
        "options": [],
        "integration_types": [0, 1],
        "contexts": [0, 1, 2],
        "default_member_permissions": None,
    }
    discord.commands = [entry, {"id": "78", "version": "1", "type": 1, "name": "old", "description": "Of before"}]
    async with running(adapter_for(discord, Paint()), Listener()):
        await discord.until(lambda: len(discord.commands) > 2)
    assert [each["name"] for each in discord.commands] == ["draw", "parley", "launch"]
    kept = discord.commands[-1]
    assert {key: kept[key] for key in ("id", "type", "handler", "name_localizations")} == {
        "id": "77",
        "type": 4,
        "handler": 2,
        "name_localizations": {"de": "starten"},
    }


async def test_a_discord_that_does_not_take_the_commands_is_joined_all_the_same(discord: FakeDiscord) -> None:
    guild = discord.guild()
    room, ada, host, notebook = discord.channel(guild), discord.person("Ada"), Listener(), Notebook()
    discord.fail("PUT", COMMANDS, 400)
    async with running(adapter_for(discord, Paint(), notebook=notebook), host):
        await discord.online()
        await discord.say(room, ada, "hello", mention_bot=True)
        await discord.until(lambda: host.messages)
        await discord.until(lambda: discord.called("PUT", COMMANDS))
    async with running(adapter_for(discord, Paint(), notebook=notebook), host):
        await discord.until(lambda: discord.commands)
