"""`/parley` on Discord: what moderators set, what is checked, what people are told. Screens are kept as payloads."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import UserError
from tests.discord_scene import Scene, loopback
from tests.discord_skills import EVERY
from tests.fakes.discord import FakeDiscord, Permission, Post, User
from tests.fakes.discord.world import Interaction

SCREENS = Path(__file__).parent / "payloads" / "discord" / "screens"


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord, *EVERY) as scene:
        scene.host.chosen = {
            "draw": {"enabled": True, "who": "everybody", "most": 2, "style": "plain", "signed": True},
            "chat": {"enabled": True, "who": "everybody", "persona": ""},
            "@limits": {"turns_per_day": None, "chat_model": "usual"},
        }
        await discord.until(lambda: discord.commands)
        yield scene


async def moderator(scene: Scene, *permissions: Permission) -> User:
    """Ada gets a role with these permissions."""
    granted = Permission(0)
    for each in permissions:
        granted |= each
    scene.discord.join(scene.guild, scene.ada, scene.discord.role(scene.guild, "crew", granted))
    await scene.discord.welcome(scene.guild)
    return scene.ada


async def screen(scene: Scene, person: User, command: str, **given: Any) -> Post:
    """The one that opens, as its caller sees it."""
    called = await scene.discord.command(scene.general, person, command, **given)
    await shown(scene, called)
    assert called.original
    assert called.original.seen_by is person
    return called.original


async def shown(scene: Scene, done: Interaction, versions: int = 2) -> None:
    await scene.discord.until(lambda: done.original and len(done.original.versions) >= versions)


def kept(name: str, **ids: str) -> Any:
    text = (SCREENS / f"{name}.json").read_text()
    for key, value in ids.items():
        text = text.replace(f"{{{key}}}", value)
    return json.loads(text)


# Settings


async def test_a_moderator_sees_what_is_set_and_changes_it_in_a_dialog(scene: Scene) -> None:
    ada = await moderator(scene, Permission.MANAGE_CHANNELS)
    settings = await screen(scene, ada, "parley settings", skill="draw")
    assert {"content": settings.content, "components": settings.components} == kept(
        "settings", channel=scene.general.id
    )
    opened = await scene.discord.press(settings, ada, "Change…")
    modal = await scene.discord.until(lambda: opened.response)
    assert modal == {"type": 9, "data": kept("settings_dialog")}
    await scene.discord.submit(opened, most="4", style="bold", signed="no")
    await scene.discord.until(lambda: scene.host.configured)
    [(channel, person, skill, chosen, everywhere)] = scene.host.configured
    assert (channel, person.id, person.moderator, skill, everywhere) == (scene.channel, ada.id, True, "draw", False)
    assert chosen == {"most": "4", "style": "bold", "signed": False}
    await scene.discord.until(lambda: "Done." in settings.content)
    assert "How they look: **bold**" in settings.content


async def test_a_skill_is_switched_off_and_another_is_looked_at(scene: Scene) -> None:
    ada = await moderator(scene, Permission.MANAGE_CHANNELS)
    settings = await screen(scene, ada, "parley settings", skill="draw")
    await scene.discord.press(settings, ada, "Switch off")
    await scene.discord.until(lambda: "It is switched off." in settings.content)
    assert scene.host.configured[0][3] == {"enabled": False}
    await scene.discord.choose(settings, ada, "What to change", "chat")
    await scene.discord.until(lambda: "**chat**" in settings.content)


async def test_only_what_was_changed_is_set(scene: Scene) -> None:
    ada = await moderator(scene, Permission.MANAGE_CHANNELS)
    settings = await screen(scene, ada, "parley settings", skill="draw")
    opened = await scene.discord.press(settings, ada, "Change…")
    await scene.discord.until(lambda: opened.response)
    await scene.discord.submit(opened, most="2", style="plain", signed="yes", who="moderators")
    await scene.discord.until(lambda: "Who may use it: **moderators**" in settings.content)
    assert scene.host.configured[0][3] == {"who": "moderators"}, "the rest still follows what the server sets"


async def test_it_is_seen_where_a_setting_comes_from_and_what_is_set_here_is_taken_back(scene: Scene) -> None:
    ada = await moderator(scene, Permission.MANAGE_GUILD)
    scene.host.from_where = {"draw": {"enabled": "default", "who": "default", "most": "here", "style": "community"}}
    settings = await screen(scene, ada, "parley settings", skill="draw")
    assert "How many pictures may be drawn at once: **2** (set here)\n" in settings.content
    assert "How they look: **plain** (set for the server)\n" in settings.content
    assert "Who may use it: **everybody**\n" in settings.content
    await scene.discord.press(settings, ada, "Back to the server's settings")
    await scene.discord.until(lambda: scene.host.taken_back)
    assert scene.host.taken_back == [("draw", ["enabled", "most", "style", "who"], False)]
    await scene.discord.until(lambda: settings.content.startswith("Done."))
    await scene.discord.choose(settings, ada, "Where it goes for", "all")
    await scene.discord.until(lambda: "### Settings for the whole server" in settings.content)
    await scene.discord.press(settings, ada, "Back to what is usual")
    await scene.discord.until(lambda: len(scene.host.taken_back) == 2)
    assert scene.host.taken_back[1][2] is True


async def test_limits_and_models_are_set_like_any_skill_but_cannot_be_switched_off(scene: Scene) -> None:
    ada = await moderator(scene, Permission.MANAGE_CHANNELS)
    settings = await screen(scene, ada, "parley settings", skill="@limits", locale="de")
    assert "**grenzen** · Grenzen und Modelle hier\n- Fragen einer Person in einer Minute: –" in settings.content
    assert "parley:switch" not in json.dumps(settings.components)
    opened = await scene.discord.press(settings, ada, "Ändern…", locale="de")
    await scene.discord.until(lambda: opened.response)
    await scene.discord.submit(opened, turns_per_day="20")
    await scene.discord.until(lambda: scene.host.configured)
    assert scene.host.configured[0][2:] == ("@limits", {"turns_per_day": "20"}, False)


async def test_what_goes_for_the_whole_server_is_for_who_manages_the_server(scene: Scene) -> None:
    ada = await moderator(scene, Permission.MANAGE_CHANNELS)
    settings = await screen(scene, ada, "parley settings", skill="draw")
    await scene.discord.choose(settings, ada, "Where it goes for", "all")
    await scene.discord.until(lambda: settings.content.startswith("Only who may manage the server"))
    owner = scene.guild.owner
    settings = await screen(scene, owner, "parley settings", skill="draw")
    await scene.discord.choose(settings, owner, "Where it goes for", "all")
    await scene.discord.until(lambda: "### Settings for the whole server" in settings.content)
    await scene.discord.press(settings, owner, "Switch off")
    await scene.discord.until(lambda: scene.host.configured)
    assert scene.host.configured[0][4] is True


async def test_whoever_is_no_moderator_any_more_changes_nothing(scene: Scene) -> None:
    """It is asked at each press, not when the screen was opened."""
    ada = await moderator(scene, Permission.MANAGE_CHANNELS)
    settings = await screen(scene, ada, "parley settings", skill="draw")
    opened = await scene.discord.press(settings, ada, "Change…")
    await scene.discord.until(lambda: opened.response)
    scene.guild.timeouts[ada.id] = datetime.now(UTC) + timedelta(hours=1)
    await scene.discord.submit(opened, most="4")
    await scene.discord.until(lambda: settings.content.startswith("Settings are for moderators"))
    assert scene.host.configured == []


async def test_people_are_told_that_settings_are_for_moderators_in_their_language(scene: Scene) -> None:
    assert (await screen(scene, scene.bob, "parley settings", locale="de")).content.startswith(
        "Einstellungen sind für Moderatoren"
    )
    private = scene.discord.dm(scene.bob)
    called = await scene.discord.command(private, scene.bob, "parley settings")
    await shown(scene, called)
    assert called.original
    assert called.original.content.startswith("There is nothing to set here.")


async def test_what_cannot_be_so_is_told_with_the_remedy(scene: Scene) -> None:
    ada = await moderator(scene, Permission.MANAGE_GUILD)
    settings = await screen(scene, ada, "parley settings", skill="draw")
    opened = await scene.discord.press(settings, ada, "Change…")
    await scene.discord.until(lambda: opened.response)
    scene.host.trouble = UserError("most has to be a whole number from 1 to 4.")
    await scene.discord.submit(opened, most="nine")
    await scene.discord.until(lambda: settings.content.startswith("most has to be a whole number from 1 to 4."))


async def test_threads_and_the_roles_of_moderators_are_set_for_the_bot_itself(scene: Scene) -> None:
    owner, helpers = scene.guild.owner, scene.discord.role(scene.guild, "helpers")
    scene.discord.join(scene.guild, scene.bob, helpers)
    await scene.discord.welcome(scene.guild)
    settings = await screen(scene, owner, "parley settings")
    opened = await scene.discord.press(settings, owner, "Change…")
    modal = await scene.discord.until(lambda: opened.response)
    assert modal == {"type": 9, "data": kept("own_settings_dialog")}
    await scene.discord.submit(opened, threads="yes", roles=[helpers.id])
    await scene.discord.until(lambda: "Done." in settings.content)
    assert f"<@&{helpers.id}>" in settings.content
    said = await scene.discord.say(scene.general, scene.bob, "What is a tide?", mention_bot=True)
    heard = await scene.heard()
    assert heard.channel.id == said.id, "it is answered in a thread"
    assert heard.author.moderator, "a helper is a moderator of the bot"


async def test_the_operator_may_name_roles_of_moderators_too(discord: FakeDiscord) -> None:
    guild = discord.guild()
    helpers, bob = discord.role(guild, "helpers"), discord.person("Bob")
    discord.join(guild, bob, helpers)
    room = discord.channel(guild)
    async with Scene(discord, *EVERY, discord_moderator_roles=helpers.id) as scene:
        await discord.say(room, bob, "hello", mention_bot=True)
        assert (await scene.heard()).author.moderator


async def test_settings_are_found_by_typing(scene: Scene) -> None:
    typed = await scene.discord.complete(scene.general, scene.ada, "parley settings", "skill", "d")
    response = await scene.discord.until(lambda: typed.response)
    assert [each["value"] for each in response["data"]["choices"]] == ["@discord", "draw", "describe"]


# The rest


async def test_what_the_bot_is_not_allowed_is_named_together_with_the_channel(scene: Scene) -> None:
    assert (await screen(scene, scene.bob, "parley check")).content == (
        f"I am allowed everything I need in <#{scene.general.id}>."
    )
    await scene.discord.forbid(scene.general, Permission.ATTACH_FILES | Permission.SEND_VOICE_MESSAGES)
    assert (await screen(scene, scene.bob, "parley check")).content == (
        f"In <#{scene.general.id}> I am not allowed:\n"
        "- **Attach Files** – to show pictures and long answers\n"
        "- **Send Voice Messages** – to answer with a voice message\n\n"
        "Whoever manages the server can allow it: in the settings of this channel under “Permissions”."
    )


async def test_help_and_privacy_are_told_in_private(scene: Scene) -> None:
    told = await screen(scene, scene.bob, "parley help")
    assert "- **/draw** – Draw a picture of what you describe." in told.content
    assert "/chat" in told.content
    scene.host.chosen["chat"]["enabled"] = False
    scene.host.chosen["draw"]["who"] = "moderators"
    told = await screen(scene, scene.bob, "parley help")
    assert "- **/describe**" in told.content
    assert "/draw" not in told.content, "it is not for him"
    assert "/chat" not in told.content, "it is switched off"
    assert "/parley my-data" in (await screen(scene, scene.bob, "parley privacy")).content
    assert scene.discord.answers(scene.general) == []


async def test_people_get_what_is_kept_of_them_and_have_it_deleted(scene: Scene) -> None:
    mine = await screen(scene, scene.bob, "parley my-data")
    await scene.discord.press(mine, scene.bob, "Send me what you keep")
    await scene.discord.until(lambda: mine.files)
    assert json.loads(mine.files[0].data) == {"platform": "discord", "person": scene.bob.id}
    mine = await screen(scene, scene.bob, "parley my-data")
    await scene.discord.press(mine, scene.bob, "Delete it")
    await scene.discord.until(lambda: "cannot be undone" in mine.content)
    assert scene.host.forgotten == []
    await scene.discord.press(mine, scene.bob, "Yes, delete it")
    await scene.discord.until(lambda: mine.content == "It is deleted.")
    assert scene.host.forgotten == [scene.bob.id]


async def test_roles_and_people_are_named_who_may_use_a_skill_that_is_for_moderators(scene: Scene) -> None:
    painters = scene.discord.role(scene.guild, "painters")
    scene.discord.join(scene.guild, scene.bob, painters)
    ada = await moderator(scene, Permission.MANAGE_CHANNELS)
    settings = await screen(scene, ada, "parley settings", skill="draw")
    opened = await scene.discord.press(settings, ada, "Change…")
    await scene.discord.until(lambda: opened.response)
    await scene.discord.submit(opened, who="moderators", besides=[painters.id, ada.id])
    await scene.discord.until(lambda: "Done." in settings.content)
    assert scene.host.configured[0][3] == {"who": "moderators", "besides": f"{painters.id} {ada.id}"}
    assert {f"<@&{painters.id}>", f"<@{ada.id}>"} <= set(settings.content.split())
    opened = await scene.discord.press(settings, ada, "Change…")
    modal = await scene.discord.until(lambda: opened.response)
    assert modal["data"]["components"][-1]["component"]["default_values"] == sorted(
        [{"id": painters.id, "type": "role"}, {"id": ada.id, "type": "user"}], key=lambda each: each["id"]
    )
    await scene.discord.say(scene.general, scene.bob, "draw a fox", mention_bot=True)
    assert (await scene.heard()).author.roles == (painters.id,)


async def test_people_are_moderators_of_the_bot_where_they_are_named(scene: Scene) -> None:
    owner = scene.guild.owner
    settings = await screen(scene, owner, "parley settings")
    opened = await scene.discord.press(settings, owner, "Change…")
    await scene.discord.until(lambda: opened.response)
    await scene.discord.submit(opened, roles=[scene.bob.id])
    await scene.discord.until(lambda: "Done." in settings.content)
    await scene.discord.say(scene.general, scene.bob, "hello", mention_bot=True)
    assert (await scene.heard()).author.moderator
