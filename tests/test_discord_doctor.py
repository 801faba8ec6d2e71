"""`parley invite` and `parley doctor --discord`, against the loopback Discord."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.config import load_config
from bot.doctor import Finding, examine, invitations
from tests.commands import run
from tests.discord_scene import loopback
from tests.fakes.discord import FakeDiscord, Permission


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


async def looked_at(discord: FakeDiscord, tmp_path: Path, **given: object) -> list[Finding]:
    settings = {"discord_token": discord.token, "discord_api": discord.api, "folder": tmp_path, **given}
    return await examine(load_config(**settings), platforms=["discord"])


async def test_the_link_asks_for_no_more_than_is_needed(discord: FakeDiscord, tmp_path: Path) -> None:
    ended = await run(tmp_path, "invite", DISCORD_TOKEN=discord.token, PARLEY_DISCORD_API=discord.api)
    assert ended.code == 0, ended.err
    wanted = (
        Permission.VIEW_CHANNEL
        | Permission.SEND_MESSAGES
        | Permission.SEND_MESSAGES_IN_THREADS
        | Permission.READ_MESSAGE_HISTORY
        | Permission.ATTACH_FILES
        | Permission.CREATE_PUBLIC_THREADS
        | Permission.SEND_VOICE_MESSAGES
        | Permission.ADD_REACTIONS
    )
    assert ended.out.strip() == (
        f"https://discord.com/oauth2/authorize?client_id={discord.bot.id}&scope=bot+applications.commands"
        f"&permissions={int(wanted)}"
    )
    refused = await run(tmp_path, "invite", DISCORD_TOKEN="no.such.token", PARLEY_DISCORD_API=discord.api)
    assert refused.code == 69
    assert refused.err.startswith("Discord refuses DISCORD_TOKEN. Make a new one: https://discord.com/developers/")
    [without] = await invitations(load_config(folder=tmp_path))
    assert (without.mark, "DISCORD_TOKEN" in without.text) == ("wrong", True)


async def test_both_platforms_are_looked_at_when_both_are_asked_for(discord: FakeDiscord, tmp_path: Path) -> None:
    config = load_config(discord_token=discord.token, discord_api=discord.api, folder=tmp_path)
    found = await examine(config, platforms=["discord", "teams"])
    assert found[0].what.startswith("discord")
    assert (found[-1].what, found[-1].mark) == ("teams", "wrong"), "it is not set up"


async def test_the_doctor_names_what_is_missing_together_with_the_channel(discord: FakeDiscord, tmp_path: Path) -> None:
    guild = discord.guild("The Harbour")
    general, secret = discord.channel(guild, "general"), discord.channel(guild, "secret")
    discord.channel(guild, "open")
    await discord.forbid(general, Permission.ATTACH_FILES)
    await discord.forbid(secret, Permission.VIEW_CHANNEL)
    found = await looked_at(discord, tmp_path, discord_content=True)
    assert [(each.mark, each.what) for each in found] == [
        ("wrong", "discord message content"),
        ("on", "discord commands"),
        ("wrong", "discord “The Harbour”"),
        ("on", "discord “The Harbour”"),
    ]
    assert found[2].text == "in #general it lacks Attach Files"
    assert found[3].text == "1 channel(s) with all it needs; 1 more are closed to it"
    assert discord.gateway.identifies == [], "nothing was joined"


async def test_the_doctor_finds_a_bot_that_has_all_it_needs_well(tmp_path: Path) -> None:
    async with loopback(message_content=True) as discord:
        found = await looked_at(discord, tmp_path, discord_content=True)
        assert {each.mark for each in found} == {"on"}
        assert "Invite it: https://discord.com/oauth2/authorize" in found[-1].text


async def test_the_doctor_tells_a_token_that_is_refused(discord: FakeDiscord, tmp_path: Path) -> None:
    [found] = await looked_at(discord, tmp_path, discord_token="wrong")
    assert (found.mark, found.what) == ("wrong", "discord token")
