"""Who is heard on Discord, and what of it: real discord.py against a loopback Discord that speaks the wire."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import discord as library
import pytest
import structlog
from discord.http import Route

from bot.adapter import AdapterOff, PostFailed
from bot.adapters.discord import Discord
from bot.config import load_config
from bot.messages import Attachment, Channel, Person, Quote, Reply
from tests.discord_scene import PNG, Listener, Scene, adapter_for, loopback, place, running
from tests.fakes.discord import FakeDiscord, Kind, Permission, Room

PAYLOADS = Path(__file__).parent / "payloads" / "discord"


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord) as scene:
        yield scene


# Who is heard


async def test_a_mention_is_heard_without_the_mention(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "what is a tide?", mention_bot=True)
    heard = await scene.heard()
    assert heard.text == "what is a tide?"
    assert heard.id == said.id
    assert heard.channel == Channel("discord", scene.general.id, scene.guild.id, "channel", "general")
    assert heard.author == Person(scene.ada.id, "Ada")
    assert heard.sent_at == said.sent_at.replace(microsecond=heard.sent_at.microsecond)


async def test_without_the_message_content_intent_only_what_is_said_to_the_bot_can_be_read(scene: Scene) -> None:
    """The strictness of the loopback Discord itself: content is gated on the gateway and over REST."""
    assert scene.discord.gateway.identifies[0]["intents"] & 1 << 15 == 0
    quiet = await scene.discord.say(
        scene.general, scene.ada, "psst, a secret", attachments=[("a.png", "image/png", PNG)]
    )
    loud = await scene.discord.say(scene.general, scene.ada, "hello", mention_bot=True)
    session = next(iter(scene.discord.gateway.sessions.values()))
    events = {data["id"]: data for _, event, data in session.log if event == "MESSAGE_CREATE"}
    assert (events[quiet.id]["content"], events[quiet.id]["attachments"]) == ("", [])
    assert events[loud.id]["content"].endswith("hello")
    await scene.heard()
    raw = await scene.adapter._connection.fetch_message(scene.general.id, quiet.id)
    assert (raw["content"], raw["attachments"]) == ("", [])


async def test_asking_for_the_privileged_intent_ends_in_a_clear_refusal(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = library.Intents(guilds=True, guild_messages=True, message_content=True)
    monkeypatch.setattr("bot.adapters.discord.client.INTENTS", greedy)
    with pytest.raises(AdapterOff, match="intents"):
        await asyncio.wait_for(adapter_for(discord).run(Listener()), 10)


async def test_chatter_bots_webhooks_and_system_messages_are_not_heard(scene: Scene) -> None:
    other = scene.discord.person("OtherBot", bot=True)
    await scene.discord.say(scene.general, scene.ada, "nobody asked the bot")
    await scene.discord.say(scene.general, other, "beep", mention_bot=True)
    await scene.discord.say(scene.general, scene.ada, "from outside", mention_bot=True, webhook=True)
    await scene.discord.say(scene.general, scene.ada, "", mention_bot=True, type=7)  # "Ada joined the server"
    await scene.adapter.post(scene.channel, Reply("my own words"), answers="", nonce="own")
    await scene.nothing_heard_before()


async def test_the_bots_own_role_counts_as_the_bot(scene: Scene) -> None:
    role = scene.discord.bot_role(scene.guild)
    await scene.discord.say(scene.general, scene.ada, f"{role.mention} are you there?")
    heard = await scene.heard()
    assert heard.text == ""  # Discord hides the text of a message that mentions only the role


async def test_another_role_does_not_count_as_the_bot(scene: Scene) -> None:
    crew = scene.discord.role(scene.guild, "crew")
    await scene.discord.say(scene.general, scene.ada, f"{crew.mention} ahoy")
    await scene.nothing_heard_before()


async def test_a_reply_to_the_bot_is_heard_and_quotes_it(scene: Scene) -> None:
    await scene.adapter.post(scene.channel, Reply("The tide is high."), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    await scene.discord.say(scene.general, scene.ada, "and tomorrow?", reply_to=answer)
    heard = await scene.heard()
    assert heard.text == "and tomorrow?"
    assert heard.quote == Quote(answer.id, Person(scene.discord.bot.id, "Parley", bot=True), "The tide is high.")


async def test_a_reply_without_ping_cannot_be_read_and_is_left_alone(scene: Scene) -> None:
    await scene.adapter.post(scene.channel, Reply("The tide is high."), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    await scene.discord.say(scene.general, scene.ada, "mumble", reply_to=answer, ping=False)
    await scene.nothing_heard_before()


async def test_a_message_that_replies_to_somebody_else_quotes_what_may_be_read(scene: Scene) -> None:
    secret = await scene.discord.say(scene.general, scene.bob, "the bot cannot read this")
    await scene.discord.say(scene.general, scene.ada, "explain", mention_bot=True, reply_to=secret)
    assert (await scene.heard()).quote == Quote(secret.id, Person(scene.bob.id, "Bob"))
    open_one = await scene.discord.say(
        scene.general, scene.bob, "this one", mention_bot=True, attachments=[("map.png", "image/png", PNG)]
    )
    await scene.discord.say(scene.general, scene.ada, "and this?", mention_bot=True, reply_to=open_one)
    quote = (await scene.heard(3)).quote
    assert quote
    assert quote.text == "@Parley this one"
    assert await scene.adapter.read(scene.channel, quote.attachments[0], 1000) == PNG


async def test_a_direct_message_needs_no_mention(scene: Scene) -> None:
    private = scene.discord.dm(scene.ada)
    await scene.discord.say(private, scene.ada, "just between us")
    heard = await scene.heard()
    assert (heard.text, heard.channel) == ("just between us", Channel("discord", private.id, kind="direct"))
    sent = await scene.adapter.post(heard.channel, Reply("Of course."), answers=heard.id, nonce="n1")
    assert [post.id for post in scene.discord.answers(private)] == [sent]


async def test_threads_forum_posts_and_voice_chats_are_channels_of_their_own(scene: Scene) -> None:
    guild = scene.guild
    forum = scene.discord.channel(guild, "help", kind=Kind.FORUM)
    voice = scene.discord.channel(guild, "lounge", kind=Kind.VOICE)
    for room in (forum, voice):
        await scene.discord.announce(room)
    thread = await scene.discord.open_thread(scene.general, "about tides")
    question = await scene.discord.open_thread(forum, "How do I tie this?")
    expected = [
        (thread, Channel("discord", thread.id, guild.id, "thread", "about tides", scene.general.id)),
        (question, Channel("discord", question.id, guild.id, "thread", "How do I tie this?", forum.id)),
        (voice, Channel("discord", voice.id, guild.id, "channel", "lounge")),
    ]
    for count, (room, channel) in enumerate(expected, 1):
        await scene.discord.say(room, scene.ada, "hello", mention_bot=True)
        heard = await scene.heard(count)
        assert heard.channel == channel
        await scene.adapter.post(heard.channel, Reply("hi"), answers=heard.id, nonce=f"n{count}")
        assert [post.content for post in scene.discord.answers(room)] == ["hi"]


async def test_a_thread_that_was_there_before_the_bot_is_known(discord: FakeDiscord) -> None:
    general = discord.channel(discord.guild(), "general")
    thread = discord.thread(general, "old stories")
    ada, host = discord.person("Ada"), Listener()
    async with running(adapter_for(discord), host):
        await discord.online()
        await discord.say(thread, ada, "go on", mention_bot=True)
        await discord.until(lambda: host.messages)
    assert host.messages[0].channel.parent == general.id


async def test_a_server_that_invites_the_bot_later_is_heard_at_once(scene: Scene) -> None:
    guild = scene.discord.guild("New Place")
    lobby = scene.discord.channel(guild, "lobby")
    await scene.discord.welcome(guild)
    await scene.discord.say(lobby, scene.ada, "welcome", mention_bot=True)
    assert (await scene.heard()).channel == place(lobby)


async def test_it_is_told_where_the_bot_came_and_went(scene: Scene) -> None:
    guild = scene.discord.guild("New Place")
    await scene.discord.welcome(guild)
    await scene.discord.dispatch("GUILD_DELETE", {"id": guild.id})
    await scene.discord.until(lambda: len(scene.host.moves) == 2)
    assert scene.host.moves == [("discord", guild.id, True), ("discord", guild.id, False)]


@pytest.mark.parametrize("payload", sorted(PAYLOADS.glob("*.json")), ids=lambda path: path.stem)
async def test_messages_are_understood_as_discord_really_writes_them(scene: Scene, payload: Path) -> None:
    names = {
        "bot": scene.discord.bot.id,
        "role": scene.discord.bot_role(scene.guild).id,
        "guild": scene.guild.id,
        "channel": scene.general.id,
    }
    text = payload.read_text()
    for name, key in names.items():
        text = text.replace(f"{{{name}}}", key)
    given = json.loads(text)
    await scene.discord.dispatch("MESSAGE_CREATE", given["event"])
    if given["heard"] is None:
        await scene.nothing_heard_before()
        return
    heard = await scene.heard()
    quote = heard.quote and [heard.quote.id, heard.quote.author and heard.quote.author.name, heard.quote.text]
    assert given["heard"] == {
        "id": heard.id,
        "text": heard.text,
        "author": [heard.author.id, heard.author.name],
        "kind": heard.channel.kind,
        "attachments": [[f.name, f.media_type, f.size, f.seconds, f.alt] for f in heard.attachments],
        "quote": quote,
        "sent_at": heard.sent_at.isoformat(timespec="microseconds"),
    }
    assert (heard.channel.id, heard.channel.tenant) == (
        given["event"]["channel_id"],
        given["event"].get("guild_id", ""),
    )


async def test_a_bot_in_very_many_servers_is_heard_in_each_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.adapters.discord.client.IDENTIFY_PAUSE", 0.0)
    async with loopback() as discord:
        discord.shards = 2
        guilds: dict[int, Room] = {}
        while len(guilds) < 2:
            guild = discord.guild()
            guilds[(int(guild.id) >> 22) % 2] = discord.channel(guild)
        ada, host = discord.person("Ada"), Listener()
        async with running(adapter_for(discord), host):
            await discord.online()
            for room in (*guilds.values(), discord.dm(ada)):
                await discord.say(room, ada, "hello", mention_bot=True)
            await discord.until(lambda: len(host.messages) == 3)
        assert {message.channel.id for message in host.messages} == {
            *(r.id for r in guilds.values()),
            discord.dm(ada).id,
        }


# How it is written


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("{me} hello", "hello"),
        ("{me}, hello", "hello"),
        ("{me}: hello", "hello"),
        ("hello {me}", "hello"),
        ("so {me}, what now?", "so, what now?"),
        ("{me}\n\n- one\n- two", "- one\n- two"),
        ("{old} the older way of writing it", "the older way of writing it"),
        ("{me} greet {bob} and {bob}", "greet @Bob and @Bob"),
        ("{me} see {channel} and {crew}", "see #general and @crew"),
        ("{me} <:wave:123456789012345678> <a:spin:123456789012345678>", ":wave: :spin:"),
        ("{me} run </draw:123456789012345678>", "run /draw"),
        ("{me} <@100000000000000001> <#100000000000000001> <@&100000000000000001>", "@somebody #a-channel @a role"),
        ("{me}", ""),
        ("{me} 1 < 2 and <b>", "1 < 2 and <b>"),
    ],
)
async def test_mentions_are_read_as_names(scene: Scene, written: str, heard: str) -> None:
    crew = scene.discord.role(scene.guild, "crew")
    await scene.discord.welcome(scene.guild)
    text = written.format(
        me=scene.discord.bot.mention,
        old=f"<@!{scene.discord.bot.id}>",
        bob=scene.bob.mention,
        channel=f"<#{scene.general.id}>",
        crew=crew.mention,
    )
    await scene.discord.say(scene.general, scene.ada, text)
    assert (await scene.heard()).text == heard


async def test_people_are_called_by_their_nickname(scene: Scene) -> None:
    scene.discord.join(scene.guild, scene.ada, nickname="Captain")
    await scene.discord.say(scene.general, scene.ada, "aye", mention_bot=True)
    assert (await scene.heard()).author.name == "Captain"


async def test_a_forwarded_message_is_a_quote(scene: Scene) -> None:
    told = await scene.discord.say(scene.general, scene.bob, "look at this", attachments=[("b.png", "image/png", PNG)])
    private = scene.discord.dm(scene.ada)
    await scene.discord.say(private, scene.ada, forward_of=told)
    heard = await scene.heard()
    assert heard.text == ""
    assert heard.quote
    assert (heard.quote.id, heard.quote.text) == (told.id, "look at this")
    scene.discord.links.expire()
    assert await scene.adapter.read(heard.channel, heard.quote.attachments[0], 1000) == PNG


async def test_a_sticker_is_named(scene: Scene) -> None:
    await scene.discord.say(scene.discord.dm(scene.ada), scene.ada, stickers=["Wumpus waves"])
    assert (await scene.heard()).text == "[sticker: Wumpus waves]"


# Who is a moderator


async def test_moderators_are_those_whom_discord_lets_manage_the_server_or_the_channel(discord: FakeDiscord) -> None:
    guild = discord.guild()
    general, side = discord.channel(guild, "general"), discord.channel(guild, "side")
    under_side = discord.thread(side, "below")
    chief = discord.role(guild, "chief", Permission.MANAGE_GUILD)
    root = discord.role(guild, "root", Permission.ADMINISTRATOR)
    keeper = discord.role(guild, "keeper")
    side.overwrites[keeper.id] = (0, Permission.MANAGE_CHANNELS, Permission(0))
    people = {name: discord.person(name) for name in ("nobody", "chief", "root", "keeper")}
    for role in (chief, root, keeper):
        discord.join(guild, people[role.name], role)
    expected = [
        (general, people["nobody"], False),
        (general, people["chief"], True),
        (general, people["root"], True),
        (general, guild.owner, True),
        (general, people["keeper"], False),
        (side, people["keeper"], True),
        (under_side, people["keeper"], True),
        (discord.dm(people["chief"]), people["chief"], False),
    ]
    host = Listener()
    async with running(adapter_for(discord), host):
        await discord.online()
        for count, (room, person, moderator) in enumerate(expected, 1):
            await discord.say(room, person, "me?", mention_bot=True)
            await discord.until(lambda: len(host.messages) == count)  # noqa: B023 - awaited here
            assert host.messages[-1].author.moderator is moderator, (room.name, person.name)


async def test_a_moderator_who_was_put_in_time_out_is_none(scene: Scene) -> None:
    chief = scene.discord.role(scene.guild, "chief", Permission.MANAGE_GUILD | Permission.MANAGE_CHANNELS)
    scene.discord.join(scene.guild, scene.ada, chief)
    scene.guild.timeouts[scene.ada.id] = datetime.now(UTC) + timedelta(hours=1)
    await scene.discord.welcome(scene.guild)
    await scene.discord.say(scene.general, scene.ada, "me?", mention_bot=True)
    assert not (await scene.heard()).author.moderator


# What changes afterwards


async def test_an_edited_question_is_told_on(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "waht?", mention_bot=True)
    await scene.discord.unfurl(said, {"type": "link", "url": "https://example.org"})  # not an edit
    await scene.discord.change(said, f"{scene.discord.bot.mention} what?")
    await scene.discord.unfurl(said, {"type": "link", "url": "https://example.org"})  # nor after an edit
    await scene.discord.say(scene.general, scene.ada, "by the way", mention_bot=True)
    await scene.heard(2)  # by now all of it has come
    [edited] = scene.host.edits
    assert (edited.id, edited.channel, edited.text, edited.author.name) == (said.id, scene.channel, "what?", "Ada")


async def test_the_bots_own_edits_and_other_peoples_are_not(scene: Scene) -> None:
    chatter = await scene.discord.say(scene.general, scene.ada, "between us")
    await scene.discord.change(chatter, "between us, really")
    sent = await scene.adapter.post(scene.channel, Reply("one"), answers="", nonce="n1")
    await scene.adapter.edit(scene.channel, sent, Reply("two"))
    await scene.nothing_heard_before()
    assert scene.host.edits == []


async def test_deleted_messages_are_told_on_one_by_one_and_in_bulk(scene: Scene) -> None:
    thread = await scene.discord.open_thread(scene.general, "aside")
    first, second, third = [await scene.discord.say(thread, scene.ada, word) for word in ("a", "b", "c")]
    private = await scene.discord.say(scene.discord.dm(scene.ada), scene.ada, "d")
    await scene.discord.delete(first)
    await scene.discord.delete_many([second, third])
    await scene.discord.delete(private)
    await scene.discord.until(lambda: len(scene.host.deletions) == 3)
    where = Channel("discord", thread.id, scene.guild.id, "thread", "aside", scene.general.id)
    assert scene.host.deletions == [
        (where, [first.id]),
        (where, sorted([second.id, third.id])),
        (Channel("discord", private.room.id, kind="direct"), [private.id]),
    ]


# Configuration


@pytest.mark.parametrize("token", [None, "", "  ", "two words", "tökén"])
def test_without_a_usable_token_the_one_thing_to_set_is_named(token: str | None) -> None:
    with pytest.raises(AdapterOff, match=r"DISCORD_TOKEN.*https://discord\.com/developers/applications"):
        Discord(load_config(discord_token=token), None)  # type: ignore[arg-type]


async def test_a_server_that_discord_py_was_pointed_to_by_somebody_else_is_kept(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Route, "BASE", discord.api)
    adapter = Discord(load_config(discord_token=discord.token), None)  # type: ignore[arg-type]
    assert discord.api == Route.BASE
    async with running(adapter, Listener()):
        await discord.online()


def test_the_api_of_another_server_may_be_named_by_its_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    Discord(load_config(discord_token="t", discord_api="http://127.0.0.1:9999/"), None)  # type: ignore[arg-type]
    assert Route.BASE == "http://127.0.0.1:9999/api/v10"


async def test_words_and_tokens_do_not_reach_the_logs(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as logs:
        await scene.discord.say(scene.general, scene.ada, "my secret question", mention_bot=True)
        await scene.heard()
        await scene.adapter.post(scene.channel, Reply("my secret answer"), answers="", nonce="n1")
        scene.discord.fail("POST", r"/channels/\d+/messages", 400)
        with pytest.raises(PostFailed):
            await scene.adapter.post(scene.channel, Reply("my secret answer"), answers="", nonce="n2")
        await scene.discord.gateway.ask_to_reconnect()
        await scene.discord.until(lambda: scene.discord.gateway.resumes)
    assert logs
    for private in ("secret", scene.discord.token):
        assert private not in caplog.text
        assert private not in json.dumps(logs)


async def test_the_recorded_calls_can_be_written_down(scene: Scene, tmp_path: Path) -> None:
    await scene.adapter.post(scene.channel, Reply("", (Attachment("a.png", "image/png", PNG),)), answers="", nonce="n1")
    scene.discord.write_calls(tmp_path / "calls.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert [(line["method"], line["path"]) for line in lines[:3]] == [
        ("GET", "/users/@me"),
        ("GET", "/oauth2/applications/@me"),
        ("GET", "/gateway/bot"),
    ]
    assert lines[-1]["files"] == [
        {"field": "files[0]", "filename": "a.png", "content_type": "application/octet-stream", "size": len(PNG)}
    ]
    assert lines[-1]["json"]["nonce"] == "n1"
