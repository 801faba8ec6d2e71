"""What an answer looks like on Discord, and what it may never do."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.messages import Button, Channel, Reply
from tests.discord_scene import Scene, adapter_for, loopback
from tests.fakes.discord import FakeDiscord, Flag, Permission

SCREENS = Path(__file__).parent / "payloads" / "discord" / "screens"


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord) as scene:
        yield scene


# What is shown


async def test_an_answer_is_a_reply_that_pings_nobody(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "mention everyone", mention_bot=True)
    text = f"@everyone @here {scene.bob.mention} https://example.org"
    sent = await scene.adapter.post(scene.channel, Reply(text), answers=said.id, nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    assert (answer.id, answer.content, answer.reply_to) == (sent, text, said)
    assert (answer.mentions, answer.mention_everyone) == ([], False)
    assert Flag.SUPPRESS_EMBEDS in answer.flags


async def test_an_answer_is_what_a_reviewer_has_seen(scene: Scene) -> None:
    """The whole call is in payloads/discord/screens/answer.json."""
    buttons = (
        Button("larger", "Larger"),
        Button("regenerate", "Regenerate"),
        Button("good", "👍"),
        Button("bad", "👎"),
    )
    said = await scene.discord.say(scene.general, scene.ada, "draw a fox", mention_bot=True)
    reply = Reply("A fox, as you wished.", footer="about 2 cents", buttons=buttons)
    await scene.adapter.post(scene.channel, reply, answers=said.id, nonce="n1")
    [call] = scene.discord.called("POST", r"/channels/\d+/messages")
    kept = (SCREENS / "answer.json").read_text()
    assert call.json == json.loads(kept.replace("{message}", said.id).replace("{channel}", scene.general.id))


async def test_an_edit_pings_nobody_either(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("wait"), answers="", nonce="n1")
    await scene.adapter.edit(scene.channel, sent, Reply(f"@everyone {scene.bob.mention} look"))
    [answer] = scene.discord.answers(scene.general)
    assert answer.content.endswith("look")
    assert (answer.mentions, answer.mention_everyone) == ([], False)
    shown = [call for call in scene.discord.calls if "/messages" in call.path]
    assert all(call.json["allowed_mentions"]["parse"] == [] for call in shown)
    assert Flag.SUPPRESS_EMBEDS in answer.flags


async def test_the_loopback_discord_would_ping_if_nothing_were_said_about_it(scene: Scene) -> None:
    """What the two tests above rest on."""
    headers = {"Authorization": f"Bot {scene.discord.token}", "User-Agent": "DiscordBot (https://example.org, 1)"}
    body = {"content": f"@everyone {scene.bob.mention}"}
    address = f"{scene.discord.api}/channels/{scene.general.id}/messages"
    async with aiohttp.ClientSession() as session, session.post(address, json=body, headers=headers) as response:
        assert response.status == 200
    [answer] = scene.discord.answers(scene.general)
    assert (answer.mentions, answer.mention_everyone) == ([scene.bob], True)


async def test_the_footer_is_small_and_last(scene: Scene) -> None:
    await scene.adapter.post(scene.channel, Reply("Yes.", footer="practice model\nno key"), answers="", nonce="n1")
    assert scene.discord.answers(scene.general)[0].content == "Yes.\n-# practice model no key"


async def test_a_footer_that_would_burst_the_message_is_left_out(scene: Scene) -> None:
    await scene.adapter.post(scene.channel, Reply("x" * 1995, footer="from here"), answers="", nonce="n1")
    assert scene.discord.answers(scene.general)[0].content == "x" * 1995


async def test_answering_a_message_that_was_deleted_posts_without_the_reply(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "never mind", mention_bot=True)
    await scene.discord.delete(said)
    await scene.adapter.post(scene.channel, Reply("Too late."), answers=said.id, nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    assert (answer.content, answer.reply_to) == ("Too late.", None)


async def test_where_the_bot_may_not_read_the_history_it_answers_without_the_reply(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "hello", mention_bot=True)
    await scene.discord.forbid(scene.general, Permission.READ_MESSAGE_HISTORY)
    await scene.adapter.post(scene.channel, Reply("Hello."), answers=said.id, nonce="n1")
    assert [post.content for post in scene.discord.answers(scene.general)] == ["Hello."]


async def test_typing_is_shown_once_and_never_in_the_way(scene: Scene) -> None:
    await scene.adapter.typing(scene.channel)
    assert scene.discord.typed == [scene.general]
    scene.discord.fail("POST", r"/channels/\d+/typing", 403)
    await scene.adapter.typing(scene.channel)
    scene.discord.drop("POST", r"/channels/\d+/typing")
    await scene.adapter.typing(scene.channel)
    await scene.adapter.typing(Channel("discord", "1", kind="direct"))
    assert len(scene.discord.called("POST", r"/channels/\d+/typing")) == 4


async def test_typing_before_discord_is_joined_is_nothing(discord: FakeDiscord) -> None:
    await adapter_for(discord).typing(Channel("discord", "1"))
    assert discord.calls == []
