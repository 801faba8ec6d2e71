"""Discord in trouble: calls that fail, answers that get lost, a gateway that comes and goes."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import structlog

from bot.adapter import AdapterOff, Gone, PostFailed
from bot.adapters.discord import client as client_module
from bot.adapters.discord import connection as connection_module
from bot.messages import Attachment, Channel, Reply
from tests.commands import run
from tests.discord_scene import PNG, Listener, Scene, adapter_for, loopback, place, running
from tests.fakes.discord import FakeDiscord, Permission


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "PAUSES", (0.05, 0.1, 0.2, 0.4))
    monkeypatch.setattr(connection_module, "REJOINING", (0.1, 0.2))


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord) as scene:
        yield scene


# When Discord is in trouble


async def test_a_post_whose_answer_was_lost_is_shown_once(scene: Scene) -> None:
    scene.discord.drop("POST", r"/channels/\d+/messages", times=1)
    scene.discord.drop("POST", r"/channels/\d+/messages", times=1, reset=True)
    sent = await scene.adapter.post(scene.channel, Reply("once"), answers="", nonce="same-nonce")
    assert [(post.id, post.content) for post in scene.discord.messages(scene.general)] == [(sent, "once")]
    bodies = [call.json for call in scene.discord.called("POST", r"/channels/\d+/messages")]
    assert [(body["nonce"], body["enforce_nonce"]) for body in bodies] == [("same-nonce", True)] * 3


async def test_a_post_that_was_taken_and_then_answered_503_is_shown_once(scene: Scene) -> None:
    scene.discord.fail("POST", r"/channels/\d+/messages", 503, after=True)
    await scene.adapter.post(scene.channel, Reply("once"), answers="", nonce="n1")
    assert len(scene.discord.messages(scene.general)) == 1


async def test_a_picture_whose_post_was_lost_is_uploaded_whole_again(scene: Scene) -> None:
    scene.discord.drop("POST", r"/channels/\d+/messages", after=False)
    fox = Attachment("fox.png", "image/png", PNG)
    await scene.adapter.post(scene.channel, Reply("", (fox,)), answers="", nonce="n1")
    assert scene.discord.answers(scene.general)[0].files[0].data == PNG


async def test_an_edit_is_tried_again(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("one"), answers="", nonce="n1")
    scene.discord.fail("PATCH", r"/channels/\d+/messages/\d+", 503)
    scene.discord.drop("PATCH", r"/channels/\d+/messages/\d+")
    await scene.adapter.edit(scene.channel, sent, Reply("two"))
    assert scene.discord.answers(scene.general)[0].content == "two"


async def test_rate_limits_are_obeyed(scene: Scene) -> None:
    scene.discord.limits.sizes["create"] = (2, 0.4)
    for number in range(5):
        await scene.adapter.post(scene.channel, Reply(str(number)), answers="", nonce=f"n{number}")
    assert [post.content for post in scene.discord.answers(scene.general)] == list("01234")
    assert scene.discord.limits.refused == 0


async def test_being_told_to_wait_is_waited_out_here_while_other_channels_go_on(scene: Scene) -> None:
    other = scene.discord.channel(scene.guild, "other")
    scene.discord.throttle("POST", rf"/channels/{scene.general.id}/messages", 1.0)
    slow = asyncio.create_task(scene.adapter.post(scene.channel, Reply("later"), answers="", nonce="n1"))
    await scene.discord.until(lambda: scene.discord.called("POST", rf"/channels/{scene.general.id}/messages"))
    await scene.adapter.post(place(other), Reply("now"), answers="", nonce="n2")
    assert scene.discord.answers(scene.general) == []
    await slow
    assert [post.content for post in scene.discord.answers(scene.general)] == ["later"]


async def test_giving_up_an_answer_during_a_limit_on_the_whole_bot_hurts_no_later_one(scene: Scene) -> None:
    scene.discord.throttle("POST", r"/channels/\d+/messages", 0.5, everywhere=True)
    given_up = asyncio.create_task(scene.adapter.post(scene.channel, Reply("given up"), answers="", nonce="n1"))
    await scene.discord.until(lambda: scene.discord.called("POST", r"/channels/\d+/messages"))
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    await asyncio.wait_for(scene.adapter.post(scene.channel, Reply("next"), answers="", nonce="n2"), 5)
    assert scene.discord.answers(scene.general)[-1].content == "next"


async def test_the_wall_before_discord_is_waited_for_too(scene: Scene) -> None:
    scene.discord.throttle("POST", r"/channels/\d+/messages", 0.5, banned=True)
    await scene.adapter.post(scene.channel, Reply("patience"), answers="", nonce="n1")
    assert len(scene.discord.answers(scene.general)) == 1


async def test_a_wait_of_an_hour_is_left_to_the_store(scene: Scene) -> None:
    scene.discord.throttle("POST", r"/channels/\d+/messages", 3600)
    with pytest.raises(PostFailed, match="3600 s"):
        await scene.adapter.post(scene.channel, Reply("hm"), answers="", nonce="n1")


async def test_after_a_minute_without_luck_the_store_takes_over(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "PATIENCE", 1.0)
    scene.discord.fail("POST", r"/channels/\d+/messages", 503, times=99)
    with pytest.raises(PostFailed) as failure:
        await scene.adapter.post(scene.channel, Reply("hm"), answers="", nonce="n1")
    assert not isinstance(failure.value, Gone)
    assert 3 <= len(scene.discord.called("POST", r"/channels/\d+/messages")) <= 5


async def test_a_call_that_stalls_is_given_up_and_repeated(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """discord.py by itself would wait five minutes for the answer."""
    monkeypatch.setattr(client_module, "_TIMEOUT", aiohttp.ClientTimeout(sock_read=0.3))
    async with Scene(discord) as scene:
        discord.hold("POST", r"/channels/\d+/messages", after=True)
        await scene.adapter.post(scene.channel, Reply("once"), answers="", nonce="n1")
        assert len(discord.messages(scene.general)) == 1
        assert len(discord.called("POST", r"/channels/\d+/messages")) == 2


@pytest.mark.parametrize("what", [Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES])
async def test_a_channel_that_shuts_the_bot_out_is_gone_after_one_call(scene: Scene, what: Permission) -> None:
    await scene.discord.forbid(scene.general, what)
    with pytest.raises(Gone):
        await scene.adapter.post(scene.channel, Reply("hello?"), answers="", nonce="n1")
    assert len(scene.discord.called("POST", r"/channels/\d+/messages")) == 1


async def test_what_no_longer_exists_is_gone(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("one"), answers="", nonce="n1")
    await scene.discord.delete(scene.discord.answers(scene.general)[0])
    with pytest.raises(Gone):
        await scene.adapter.edit(scene.channel, sent, Reply("two"))
    with pytest.raises(Gone):  # Discord remembers the nonce of what was deleted
        await scene.adapter.post(scene.channel, Reply("one"), answers="", nonce="n1")
    with pytest.raises(Gone):
        await scene.adapter.post(Channel("discord", "1", "2"), Reply("anyone?"), answers="", nonce="n2")
    private = scene.discord.dm(scene.ada)
    private.closed = True
    with pytest.raises(Gone):
        await scene.adapter.post(Channel("discord", private.id, kind="direct"), Reply("hi"), answers="", nonce="n3")


async def test_archived_and_locked_threads_are_gone(scene: Scene) -> None:
    thread = await scene.discord.open_thread(scene.general, "done")
    channel = Channel("discord", thread.id, scene.guild.id, "thread", "done", scene.general.id)
    sent = await scene.adapter.post(channel, Reply("one"), answers="", nonce="n1")
    thread.archived = True
    with pytest.raises(Gone):
        await scene.adapter.edit(channel, sent, Reply("two"))
    thread.locked = True
    with pytest.raises(Gone):
        await scene.adapter.post(channel, Reply("three"), answers="", nonce="n2")


async def test_what_discord_finds_malformed_is_not_tried_again(scene: Scene) -> None:
    with pytest.raises(PostFailed, match="50035") as failure:
        await scene.adapter.post(scene.channel, Reply("x" * 2001), answers="", nonce="n1")
    assert not isinstance(failure.value, Gone)
    assert len(scene.discord.called("POST", r"/channels/\d+/messages")) == 1


# The gateway


async def test_after_a_lost_line_the_session_is_resumed_and_nothing_is_missed(scene: Scene) -> None:
    await scene.discord.say(scene.general, scene.ada, "one", mention_bot=True)
    await scene.heard()
    await scene.discord.gateway.hang_up()
    await scene.discord.until(lambda: not scene.discord.gateway.lines)
    await scene.discord.say(scene.general, scene.ada, "two", mention_bot=True)
    await scene.heard(2)
    assert [message.text for message in scene.host.messages] == ["one", "two"]
    assert (len(scene.discord.gateway.identifies), len(scene.discord.gateway.resumes)) == (1, 1)


async def test_a_gateway_that_is_away_for_a_while_is_resumed_all_the_same(scene: Scene) -> None:
    scene.discord.gateway.refusing = True
    handshakes = scene.discord.gateway.handshakes
    await scene.discord.gateway.hang_up()
    await scene.discord.until(lambda: scene.discord.gateway.handshakes >= handshakes + 2, within=20)
    await scene.discord.say(scene.general, scene.ada, "while you were out", mention_bot=True)
    scene.discord.gateway.refusing = False
    await scene.discord.until(lambda: scene.host.messages, within=20)
    assert scene.host.messages[0].text == "while you were out"
    assert len(scene.discord.gateway.identifies) == 1


async def test_discord_may_ask_to_reconnect(scene: Scene) -> None:
    await scene.discord.gateway.ask_to_reconnect()
    await scene.discord.until(lambda: scene.discord.gateway.resumes)
    await scene.discord.say(scene.general, scene.ada, "still there?", mention_bot=True)
    await scene.heard()


async def test_an_invalid_session_is_begun_anew_at_the_same_server(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "IDENTIFY_PAUSE", 0.0)
    await scene.discord.gateway.invalidate()
    await scene.discord.until(lambda: len(scene.discord.gateway.identifies) == 2, within=20)
    await scene.discord.online()
    await scene.discord.say(scene.general, scene.ada, "hello again", mention_bot=True)
    assert (await scene.heard()).text == "hello again"


async def test_one_malformed_event_is_lost_alone(scene: Scene) -> None:
    await scene.discord.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": "not a number"})
    await scene.discord.dispatch("GUILD_ROLE_CREATE", {"guild_id": scene.guild.id})
    await scene.discord.say(scene.general, scene.ada, "still here?", mention_bot=True)
    assert (await scene.heard()).text == "still here?"
    assert len(scene.discord.gateway.identifies) == 1


async def test_a_client_that_died_of_garbage_is_replaced(scene: Scene) -> None:
    await scene.discord.babble("{not json")
    await scene.discord.until(lambda: len(scene.discord.gateway.identifies) == 2, within=20)
    await scene.discord.online()
    await scene.discord.say(scene.general, scene.ada, "still here?", mention_bot=True)
    assert (await scene.heard()).text == "still here?"
    await scene.adapter.post(scene.channel, Reply("yes"), answers="", nonce="n1")
    assert len(scene.discord.answers(scene.general)) == 1


async def test_a_post_made_while_the_client_is_replaced_arrives_once(scene: Scene) -> None:
    hold = scene.discord.hold("POST", r"/channels/\d+/messages", after=True)
    post = asyncio.create_task(scene.adapter.post(scene.channel, Reply("once"), answers="", nonce="n1"))
    await scene.discord.until(lambda: scene.discord.answers(scene.general))
    await scene.discord.babble("{not json")
    await scene.discord.until(lambda: len(scene.discord.gateway.identifies) == 2, within=20)
    hold.release()
    await asyncio.wait_for(post, 10)
    assert len(scene.discord.messages(scene.general)) == 1


async def test_a_question_that_could_not_be_stored_is_noted_without_its_words(scene: Scene) -> None:
    scene.host.trouble = RuntimeError("insert failed: ('my secret question',)")
    with structlog.testing.capture_logs() as logs:
        await scene.discord.say(scene.general, scene.ada, "my secret question", mention_bot=True)
        [lost] = await scene.discord.until(lambda: [log for log in logs if log["log_level"] == "error"])
    assert lost["error"] == "RuntimeError"
    assert "secret" not in json.dumps(lost)


async def test_a_wrong_token_switches_discord_off_with_the_remedy(discord: FakeDiscord) -> None:
    adapter = adapter_for(discord, token="wrong")
    with pytest.raises(AdapterOff, match="DISCORD_TOKEN"):
        await asyncio.wait_for(adapter.run(Listener()), 10)
    assert len(discord.calls) == 1


async def test_a_token_that_is_revoked_at_the_gateway_switches_discord_off(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "IDENTIFY_PAUSE", 0.0)
    scene.discord.token = "another"
    await scene.discord.gateway.invalidate()
    with pytest.raises(AdapterOff, match="DISCORD_TOKEN"):
        await asyncio.wait_for(asyncio.shield(scene.task), 20)


async def test_discord_being_down_at_the_start_is_waited_for(discord: FakeDiscord) -> None:
    down = discord.fail("GET", "/users/@me", 503, times=2)
    async with running(adapter_for(discord), Listener()):
        await discord.online(within=20)
    assert down.hits == 2


async def test_a_gateway_that_is_away_at_the_start_is_waited_for(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "IDENTIFY_PAUSE", 0.0)
    discord.gateway.refusing = True
    async with running(adapter_for(discord), Listener()):
        await discord.until(lambda: discord.gateway.handshakes)
        discord.gateway.refusing = False
        await discord.online(within=20)


async def test_it_can_be_told_whether_discord_is_joined(scene: Scene) -> None:
    assert "no connection" in adapter_for(scene.discord).trouble
    await scene.discord.until(lambda: not scene.adapter.trouble)
    scene.discord.gateway.refusing = True
    await scene.discord.gateway.hang_up()
    await scene.discord.until(lambda: "lost" in scene.adapter.trouble)
    scene.discord.gateway.refusing = False
    await scene.discord.until(lambda: not scene.adapter.trouble, within=20)


async def test_stopping_leaves_nothing_behind(discord: FakeDiscord) -> None:
    discord.guild()
    before = asyncio.all_tasks()
    async with running(adapter_for(discord), Listener()):
        await discord.online()
    await discord.until(lambda: not discord.gateway.lines)
    await discord.until(lambda: asyncio.all_tasks() <= before)
    assert discord.gateway.sessions == {}  # we said goodbye


async def test_what_is_being_sent_when_we_stop_still_arrives(discord: FakeDiscord) -> None:
    general = discord.channel(discord.guild())
    adapter = adapter_for(discord)
    async with running(adapter, Listener()) as run:
        await discord.online()
        hold = discord.hold("POST", r"/channels/\d+/messages")
        post = asyncio.create_task(adapter.post(place(general), Reply("last words"), answers="", nonce="n1"))
        await discord.until(lambda: hold.hits)
        run.cancel()
        hold.release()
        await asyncio.wait_for(post, 10)
    assert [message.content for message in discord.messages(general)] == ["last words"]


# The promises D2 to D6: whatever happens, one message is seen, and the others do not wait for it


async def test_a_limit_on_the_whole_bot_holds_everybody_up_once_and_everything_is_shown_once(scene: Scene) -> None:
    rooms = [scene.general, scene.discord.channel(scene.guild, "a"), scene.discord.channel(scene.guild, "b")]
    scene.discord.throttle("POST", r"/channels/\d+/messages", 0.6, everywhere=True)
    first = asyncio.create_task(scene.adapter.post(scene.channel, Reply("first"), answers="", nonce="n0"))
    await scene.discord.until(lambda: scene.discord.called("POST", r"/channels/\d+/messages"))
    later = [
        asyncio.create_task(scene.adapter.post(place(room), Reply("later"), answers="", nonce=f"n{number}"))
        for number, room in enumerate(rooms, 1)
    ]
    await asyncio.wait_for(asyncio.gather(first, *later), 10)
    assert [[post.content for post in scene.discord.answers(room)] for room in rooms] == [
        ["first", "later"],
        ["later"],
        ["later"],
    ]
    refused = [call for call in scene.discord.calls if call.status == 429]
    assert len(refused) == 1


async def test_a_limit_shared_with_other_bots_is_waited_out_here_only(scene: Scene) -> None:
    other = scene.discord.channel(scene.guild, "other")
    limit = scene.discord.throttle("POST", rf"/channels/{scene.general.id}/messages", 0.6)
    assert limit.headers["X-RateLimit-Scope"] == "shared"
    slow = asyncio.create_task(scene.adapter.post(scene.channel, Reply("later"), answers="", nonce="n1"))
    await scene.discord.until(lambda: limit.hits)
    await scene.adapter.post(place(other), Reply("now"), answers="", nonce="n2")
    assert not slow.done()
    await asyncio.wait_for(slow, 10)
    assert [post.content for post in scene.discord.answers(scene.general)] == ["later"]


@pytest.mark.parametrize("after", [False, True], ids=["not taken", "taken"])
async def test_a_minute_of_503_here_costs_one_message_some_time_and_the_others_none(scene: Scene, after: bool) -> None:
    other = scene.discord.channel(scene.guild, "other")
    trouble = scene.discord.fail("POST", rf"/channels/{scene.general.id}/messages", 503, times=8, after=after)
    slow = asyncio.create_task(scene.adapter.post(scene.channel, Reply("at last"), answers="", nonce="n1"))
    await scene.discord.until(lambda: trouble.hits >= 2)
    for number in range(3):
        await scene.adapter.post(place(other), Reply(str(number)), answers="", nonce=f"o{number}")
    assert not slow.done()
    await asyncio.wait_for(slow, 20)
    assert trouble.hits == 8
    assert [post.content for post in scene.discord.messages(scene.general)] == ["at last"]
    assert [post.content for post in scene.discord.answers(other)] == ["0", "1", "2"]


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_an_error_after_the_message_was_taken_shows_it_once(scene: Scene, status: int) -> None:
    scene.discord.fail("POST", r"/channels/\d+/messages", status, after=True)
    sent = await scene.adapter.post(scene.channel, Reply("once"), answers="", nonce="n1")
    assert [post.id for post in scene.discord.messages(scene.general)] == [sent]


async def test_lines_that_are_reset_again_and_again_after_the_message_was_taken_show_it_once(scene: Scene) -> None:
    scene.discord.limits.on = False
    reset = scene.discord.drop("POST", r"/channels/\d+/messages", times=6, reset=True)
    sent = await scene.adapter.post(scene.channel, Reply("once"), answers="", nonce="n1")
    cut = scene.discord.drop("PATCH", r"/channels/\d+/messages/\d+", times=6, reset=True)
    await scene.adapter.edit(scene.channel, sent, Reply("and changed"))
    assert (reset.hits, cut.hits) == (6, 6)
    assert [post.content for post in scene.discord.messages(scene.general)] == ["and changed"]


async def test_a_channel_that_is_gone_costs_three_calls_at_most(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("one"), answers="", nonce="n1")
    del scene.discord.rooms[scene.general.id]
    before = len(scene.discord.calls)
    for number in range(5):
        await scene.adapter.typing(scene.channel)
        with pytest.raises(Gone):
            await scene.adapter.edit(scene.channel, sent, Reply(str(number)))
    assert len(scene.discord.calls) - before == 3


async def test_a_long_outage_of_everything_begins_no_sessions_and_afterwards_all_is_heard_and_said(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_LONGEST_PAUSE", 0)
    discord = scene.discord
    await discord.until(lambda: not scene.adapter.trouble)
    rest = discord.fail("*", ".*", 503, times=1_000_000)
    discord.gateway.refusing = True
    await discord.gateway.hang_up()
    handshakes = discord.gateway.handshakes
    post = asyncio.create_task(scene.adapter.post(scene.channel, Reply("patience"), answers="", nonce="n1"))
    await discord.until(lambda: discord.gateway.handshakes >= handshakes + 2, within=20)
    await discord.until(lambda: rest.hits >= 4)
    await discord.say(scene.general, scene.ada, "are you down?", mention_bot=True)
    assert scene.adapter.trouble
    discord.faults.clear()
    discord.gateway.refusing = False
    await asyncio.wait_for(post, 20)
    await discord.until(lambda: scene.host.messages, within=30)
    assert [message.text for message in scene.host.messages] == ["are you down?"]
    assert len(discord.messages(scene.general)) == 2
    assert len(discord.gateway.identifies) == 1


async def test_an_outage_that_outlives_the_session_loses_no_question_either(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "IDENTIFY_PAUSE", 0.0)
    discord = scene.discord
    discord.gateway.refusing = True
    await discord.gateway.hang_up()
    await discord.until(lambda: not discord.gateway.lines)
    discord.gateway.sessions.clear()
    await discord.say(scene.general, scene.ada, "are you down?", mention_bot=True)
    discord.gateway.refusing = False
    await discord.until(lambda: scene.host.messages, within=30)
    assert [message.text for message in scene.host.messages] == ["are you down?"]
    assert (len(discord.gateway.resumes), len(discord.gateway.identifies)) == (1, 2)


async def test_a_supervisor_is_told_not_to_start_again_what_discord_refuses(
    discord: FakeDiscord, tmp_path: Path
) -> None:
    ended = await run(tmp_path, "run", DISCORD_TOKEN="wrong", PARLEY_DISCORD_API=discord.api)
    assert ended.code == 78
    assert "DISCORD_TOKEN" in ended.err
    assert "Reset Token" in ended.err.splitlines()[-1]
