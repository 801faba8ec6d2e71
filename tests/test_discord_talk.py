"""Being spoken to on Discord beyond the plain mention: chains of replies, threads, other bots, voice."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from bot import UserError
from bot.adapters.discord.loops import BROKEN_OFF, Loops
from bot.adapters.discord.threads import title_of
from bot.messages import Attachment, Channel, Message, Person, Reply
from tests.discord_scene import Listener, Scene, adapter_for, loopback, running
from tests.fakes.discord import FakeDiscord, Kind, Permission


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord) as scene:
        yield scene


@pytest.fixture
async def reading() -> AsyncIterator[Scene]:
    """A scene in which the bot has the Message Content intent, and asks for it."""
    async with loopback(message_content=True) as discord, Scene(discord, discord_content=True) as scene:
        yield scene


# With and without the Message Content intent


async def test_with_the_intent_a_reply_without_ping_is_heard(reading: Scene) -> None:
    await reading.adapter.post(reading.channel, Reply("The tide is high."), answers="", nonce="n1")
    [answer] = reading.discord.answers(reading.general)
    await reading.discord.say(reading.general, reading.ada, "and tomorrow?", reply_to=answer, ping=False)
    assert (await reading.heard()).text == "and tomorrow?"


async def test_where_the_intent_is_refused_the_cure_is_told_and_the_bot_goes_on_without(discord: FakeDiscord) -> None:
    with structlog.testing.capture_logs() as logs:
        async with Scene(discord, discord_content=True) as scene:
            await discord.say(scene.general, scene.ada, "hello", mention_bot=True)
            assert (await scene.heard()).text == "hello"
    [told] = [log for log in logs if log["event"] == "discord refuses the Message Content intent"]
    assert "developer portal" in told["remedy"]
    assert [each["intents"] & 1 << 15 > 0 for each in discord.gateway.identifies] == [True, False]


async def test_what_was_said_before_is_read_for_who_may_read_it(reading: Scene) -> None:
    for number in range(105):
        await reading.discord.say(reading.general, reading.bob, f"line {number}")
    await reading.adapter.post(reading.channel, Reply("Aye."), answers="", nonce="n1")
    ada = Person(reading.ada.id, "Ada")
    said = await reading.adapter.earlier(reading.channel, 103, None, ada)
    assert said is not None
    assert [line.text for line in said[-2:]] == ["line 104", "Aye."]
    assert [line.role for line in said[-2:]] == ["user", "assistant"]
    assert (len(said), said[0].author) == (103, "Bob")
    later = await reading.adapter.earlier(reading.channel, 103, datetime.now(UTC) + timedelta(seconds=1), ada)
    assert later == ()


async def test_nobody_is_told_what_they_may_not_read_themselves(reading: Scene) -> None:
    role = reading.discord.role(reading.guild, "newcomers")
    reading.discord.join(reading.guild, reading.ada, role)
    reading.general.overwrites[role.id] = (0, Permission(0), Permission.READ_MESSAGE_HISTORY)
    await reading.discord.announce(reading.general)
    await reading.discord.welcome(reading.guild)
    await reading.discord.say(reading.general, reading.bob, "a secret")
    await reading.discord.say(reading.general, reading.ada, "hello", mention_bot=True)
    await reading.heard()
    with pytest.raises(UserError, match="You may not read"):
        await reading.adapter.earlier(reading.channel, 10, None, Person(reading.ada.id, "Ada"))
    assert await reading.adapter.earlier(reading.channel, 10, None, Person(reading.bob.id, "Bob"))


async def test_without_the_intent_it_is_said_who_could_let_the_bot_read(scene: Scene) -> None:
    with pytest.raises(UserError, match="PARLEY_DISCORD_CONTENT=1"):
        await scene.adapter.earlier(scene.channel, 10, None, Person(scene.ada.id, "Ada"))
    private = scene.discord.dm(scene.ada)
    await scene.discord.say(private, scene.ada, "just between us")
    heard = await scene.heard()
    said = await scene.adapter.earlier(heard.channel, 10, None, heard.author)
    assert said is not None
    assert [line.text for line in said] == ["just between us"]


async def test_it_is_said_how_to_show_the_bot_what_it_is_not_shown(scene: Scene) -> None:
    secret = await scene.discord.say(scene.general, scene.bob, "the bot cannot read this")
    await scene.discord.say(scene.general, scene.ada, "explain", mention_bot=True, reply_to=secret)
    heard = await scene.heard()
    sent = await scene.adapter.post(heard.channel, Reply("What", running=True), answers=heard.id, nonce="n1")
    await scene.adapter.edit(heard.channel, sent, Reply("What should I explain?"))
    await scene.adapter.post(heard.channel, Reply("Tell me."), answers=heard.id, nonce="n2")
    first, second = scene.discord.answers(scene.general)
    assert first.content == (
        "What should I explain?\n"
        "-# I am not shown the message you replied to. Open its menu, choose Apps, and let me have it there."
    )
    assert second.content == "Tell me."


async def test_whoever_mentions_the_bots_role_is_told_to_mention_the_bot(scene: Scene) -> None:
    await scene.discord.say(scene.general, scene.ada, f"{scene.discord.bot_role(scene.guild).mention} are you there?")
    heard = await scene.heard()
    await scene.adapter.post(heard.channel, Reply("Yes?"), answers=heard.id, nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    assert answer.content == "Yes?\n-# I am not shown what you wrote: mention me, not my role."


# Chains of replies


async def test_a_reply_brings_what_it_goes_back_to(scene: Scene) -> None:
    private = scene.discord.dm(scene.ada)
    first = await scene.discord.say(private, scene.ada, "one")
    second = await scene.discord.say(private, scene.ada, "two", reply_to=first)
    third = await scene.discord.say(private, scene.ada, "three", reply_to=second)
    await scene.discord.say(private, scene.ada, "four", reply_to=third)
    quote = (await scene.heard(4)).quote
    assert quote
    assert (quote.text, [each.text for each in quote.earlier]) == ("three", ["one", "two"])
    assert scene.discord.called("GET", r"/channels/\d+/messages/\d+") == [], "it had seen them all"


async def test_a_chain_from_before_the_bot_came_is_read_but_not_to_its_end(discord: FakeDiscord) -> None:
    ada = discord.person("Ada")
    private, host = discord.dm(ada), Listener()
    said = None
    for number in range(12):
        said = await discord.say(private, ada, f"line {number}", reply_to=said)
    async with running(adapter_for(discord), host):
        await discord.online()
        await discord.say(private, ada, "and?", reply_to=said)
        await discord.until(lambda: host.messages)
    quote = host.messages[-1].quote
    assert quote
    assert (quote.text, [each.text for each in quote.earlier]) == (
        "line 11",
        [f"line {number}" for number in range(4, 11)],
    )


async def test_a_message_whose_earlier_ones_are_gone_is_heard_all_the_same(scene: Scene) -> None:
    private = scene.discord.dm(scene.ada)
    first = await scene.discord.say(private, scene.ada, "one")
    second = await scene.discord.say(private, scene.ada, "two", reply_to=first)
    await scene.discord.delete(first)
    await scene.discord.say(private, scene.ada, "three", reply_to=second)
    quote = (await scene.heard(3)).quote
    assert quote
    assert (quote.text, quote.earlier) == ("two", ())


# Threads


async def in_threads(scene: Scene) -> None:
    scene.notebook.choices[("discord", scene.guild.id, scene.general.id), "@discord"] = {"threads": True}


async def test_where_moderators_want_it_each_question_has_a_thread_of_its_own(scene: Scene) -> None:
    await in_threads(scene)
    said = await scene.discord.say(
        scene.general, scene.ada, "**What** is a tide? I have always wondered.", mention_bot=True
    )
    heard = await scene.heard()
    thread = scene.discord.rooms[said.id]
    assert heard.channel == Channel("discord", said.id, scene.guild.id, "thread", "What is a tide?", scene.general.id)
    assert thread.name == "What is a tide?"
    await scene.adapter.post(heard.channel, Reply("The moon."), answers=heard.id, nonce="n1")
    assert [post.content for post in scene.discord.answers(thread)] == ["The moon."]
    await scene.discord.say(thread, scene.ada, "why?", mention_bot=True)
    assert (await scene.heard(2)).channel.id == thread.id
    await scene.discord.change(said, f"{scene.discord.bot.mention} What is a tie?")
    await scene.discord.delete(said)
    await scene.discord.until(lambda: len(scene.host.deletions) == 2)
    assert [edit.channel.id for edit in scene.host.edits] == [thread.id]
    assert [channel.id for channel, _ in scene.host.deletions] == [thread.id, scene.general.id]


async def test_where_no_thread_can_be_begun_the_answer_is_in_place(scene: Scene) -> None:
    await in_threads(scene)
    await scene.discord.forbid(scene.general, Permission.CREATE_PUBLIC_THREADS, quietly=True)
    await scene.discord.say(scene.general, scene.ada, "What is a tide?", mention_bot=True)
    assert (await scene.heard()).channel == scene.channel


async def test_a_question_that_is_heard_again_goes_to_the_thread_it_has(scene: Scene) -> None:
    await in_threads(scene)
    body = {"message": "A thread has already been created for this message", "code": 160004}
    scene.discord.fail("POST", r"/channels/\d+/messages/\d+/threads", 400, body=body)
    said = await scene.discord.say(scene.general, scene.ada, "What is a tide?", mention_bot=True)
    assert (await scene.heard()).channel.id == said.id


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("What is a tide? And why?", "What is a tide?"),
        ("- _one_ `two`\nthree", "one two"),
        ("word " * 40, " ".join(["word"] * 15) + "…"),
        ("x" * 200, "x" * 79 + "…"),
        ("", "map.png"),
    ],
)
def test_a_thread_is_named_for_its_subject(text: str, title: str) -> None:
    channel, attached = Channel("discord", "1"), (Attachment("map.png", "image/png"),)
    message = Message("1", channel, Person("2", "Ada"), text, datetime.now(UTC), attachments=attached)
    assert title_of(message) == title


# Other bots


async def test_a_bot_that_the_operator_has_named_is_answered_but_not_without_end(discord: FakeDiscord) -> None:
    friend, stranger = discord.person("Friend", bot=True), discord.person("Stranger", bot=True)
    async with Scene(discord, discord_bots=friend.id) as scene:
        await discord.say(scene.general, stranger, "beep", mention_bot=True)
        for number in range(5):
            await discord.say(scene.general, friend, f"beep {number}", mention_bot=True)
        await discord.say(scene.general, scene.ada, "enough", mention_bot=True)
        await discord.until(lambda: "enough" in [each.text for each in scene.host.messages])
        assert sorted(each.text for each in scene.host.messages) == ["beep 0", "beep 1", "beep 2", "enough"]
        assert [each.author.bot for each in scene.host.messages].count(True) == 3


def test_two_bots_that_go_round_in_circles_are_parted() -> None:
    now = 0.0
    loops = Loops(("7",), lambda: now)
    asked = []
    for _ in range(8):
        now += 30
        asked.append(loops.may_ask("7", "here"))
    assert asked == [True] * 5 + [False] * 3
    assert loops.may_ask("7", "there")
    now += BROKEN_OFF
    assert loops.may_ask("7", "here")
    for _ in range(4):
        now += 30
        loops.may_ask("7", "here")
    loops.person_spoke("here")
    now += 30
    assert loops.may_ask("7", "here")


# Where the bot may not write


async def test_where_the_bot_may_not_write_it_answers_in_private(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "hello", mention_bot=True)
    heard = await scene.heard()
    await scene.discord.forbid(scene.general, Permission.SEND_MESSAGES)
    sent = await scene.adapter.post(heard.channel, Reply("Hel", running=True), answers=heard.id, nonce="n1")
    await scene.adapter.edit(heard.channel, sent, Reply("Hello."))
    [answer] = scene.discord.answers(scene.discord.dm(scene.ada))
    assert answer.content == "Hello."
    assert answer.versions[0] == f"-# I may not write in <#{scene.general.id}>, so you find my answer here.\nHel"
    assert scene.discord.answers(scene.general) == []
    assert said.reactions == {}


async def test_where_that_is_closed_too_there_is_a_sign(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "hello", mention_bot=True)
    heard = await scene.heard()
    scene.discord.dm(scene.ada).closed = True
    await scene.discord.forbid(scene.general, Permission.SEND_MESSAGES)
    with pytest.raises(Exception, match="50013"):
        await scene.adapter.post(heard.channel, Reply("Hello."), answers=heard.id, nonce="n1")
    assert list(said.reactions) == ["🔇"]


# A voice message


VOICE = Attachment("speech.ogg", "audio/ogg", b"OggS" + bytes(300), seconds=2.5, waveform=bytes(range(0, 200, 8)))


async def test_a_spoken_answer_is_a_real_voice_message(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("Speaking…", running=True), answers="", nonce="n1")
    for _ in range(2):
        await scene.adapter.edit(scene.channel, sent, Reply("The tide is high.", (VOICE,)))
    text, voice = scene.discord.answers(scene.general)
    assert (text.content, text.files) == ("The tide is high.", [])
    assert (voice.content, voice.flags & 1 << 13, voice.reply_to) == ("", 1 << 13, text)
    assert (voice.files[0].content_type, voice.files[0].seconds) == ("audio/ogg", 2.5)
    call = scene.discord.called("POST", r"/channels/\d+/messages")[-1]
    assert json.loads(json.dumps(call.json))["attachments"][0]["waveform"]


async def test_where_it_may_not_speak_the_sound_is_a_file(scene: Scene) -> None:
    await scene.discord.forbid(scene.general, Permission.SEND_VOICE_MESSAGES)
    await scene.discord.say(scene.general, scene.ada, "speak", mention_bot=True)
    await scene.heard()  # by now the change has been seen as well
    await scene.adapter.post(scene.channel, Reply("", (VOICE,)), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    assert [file.filename for file in answer.files] == ["speech.ogg"]


async def test_a_voice_message_that_is_not_taken_becomes_a_file(scene: Scene) -> None:
    await scene.discord.forbid(scene.general, Permission.SEND_VOICE_MESSAGES, quietly=True)
    await scene.adapter.post(scene.channel, Reply("", (VOICE,)), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    assert (answer.content, [file.filename for file in answer.files]) == ("", ["speech.ogg"])


async def test_the_chat_of_a_voice_channel_has_no_threads(scene: Scene) -> None:
    lounge = scene.discord.channel(scene.guild, "lounge", kind=Kind.VOICE)
    await scene.discord.announce(lounge)
    scene.notebook.choices[("discord", scene.guild.id, ""), "@discord"] = {"threads": True}
    await scene.discord.say(lounge, scene.ada, "hello", mention_bot=True)
    assert (await scene.heard()).channel.id == lounge.id
