"""What was said to the bot while it was not there: found, heard once, and not more than is worth answering."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import structlog

from bot.adapters.discord import client as client_module
from bot.adapters.discord import connection as connection_module
from bot.adapters.discord import silence as silence_module
from bot.adapters.discord.attention import MOST_PRIVATE, Attention
from bot.adapters.discord.notes import Notes
from bot.messages import Reply
from storage import Store
from tests.discord_scene import Listener, Notebook, Scene, adapter_for, loopback, place, running
from tests.fakes.discord import FakeDiscord, Permission, Post, Room

MESSAGES = r"/channels/\d+/messages"
MINUTE = 60 * 1000 << 22  # as a difference of ids


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence_module, "PACE", 0.0)
    monkeypatch.setattr(client_module, "IDENTIFY_PAUSE", 0.0)
    monkeypatch.setattr(connection_module, "REJOINING", (0.1, 0.2))
    monkeypatch.setattr(connection_module, "KEEPING", 3600.0)


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


class Comings:
    """A bot that comes and goes, with one notebook."""

    def __init__(self, discord: FakeDiscord) -> None:
        self.discord = discord
        self.guild = discord.guild("The Harbour")
        self.general = discord.channel(self.guild, "general")
        self.ada, self.bob = discord.person("Ada"), discord.person("Bob")
        self.host = Listener()
        self.notebook = Notebook()

    async def visit(self, *texts: str) -> None:
        """Come, hear these messages and whatever was said before, and go."""
        adapter = adapter_for(self.discord, notebook=self.notebook)
        async with running(adapter, self.host):
            await self.discord.online()
            for text in texts:
                await self.discord.say(self.general, self.ada, text, mention_bot=True)
                await self.discord.until(lambda: text in self.heard)  # noqa: B023 - awaited here
            await self.all_read(adapter)

    async def all_read(self, adapter: object) -> None:
        attention = adapter._connection._attention  # type: ignore[attr-defined]
        await self.discord.until(lambda: attention._seen and not attention._held)

    async def say(self, room: Room, text: str) -> Post:
        return await self.discord.say(room, self.ada, text, mention_bot=room.guild is not None)

    @property
    def heard(self) -> list[str]:
        return [message.text for message in self.host.messages]

    def read(self) -> list[str]:
        """The channels that were read."""
        return [call.path.split("/")[2] for call in self.discord.called("GET", MESSAGES)]

    @property
    def since(self) -> int:
        return int(next(value for name, value in reversed(self.notebook.written) if name == "alive")["since"])


@pytest.fixture
def comings(discord: FakeDiscord) -> Comings:
    return Comings(discord)


async def test_what_was_said_while_the_bot_was_away_is_heard_when_it_is_back_in_order_and_once(
    comings: Comings,
) -> None:
    discord = comings.discord
    thread = discord.thread(comings.general, "a thread")
    private = discord.dm(comings.ada)
    adapter = adapter_for(discord, notebook=comings.notebook)
    async with running(adapter, comings.host):
        await discord.online()
        await comings.say(private, "hello")
        await discord.until(lambda: comings.heard == ["hello"])
    for number in range(3):
        await comings.say(comings.general, f"here {number}")
        await discord.say(comings.general, comings.bob, "between us")
    await comings.say(thread, "there")
    await comings.say(private, "alone")
    await comings.visit()
    assert sorted(comings.heard) == sorted(["hello", "here 0", "here 1", "here 2", "there", "alone"])
    assert [text for text in comings.heard if text.startswith("here")] == ["here 0", "here 1", "here 2"]
    where = {message.text: message.channel for message in comings.host.messages}
    assert where["here 1"] == place(comings.general)
    assert (where["there"].kind, where["there"].parent) == ("thread", comings.general.id)
    assert where["alone"] == where["hello"]
    await comings.visit()
    assert len(comings.heard) == 6


async def test_at_the_very_first_start_nothing_old_is_dug_up(comings: Comings) -> None:
    await asyncio.sleep(0.002)  # ids have milliseconds
    ancient = await comings.say(comings.general, "before your time")
    del comings.general.posts[ancient.id]
    ancient.id = str(int(ancient.id) - MINUTE)
    comings.general.posts[ancient.id] = ancient
    await comings.visit("hello")
    assert comings.heard == ["hello"]
    assert comings.read() == []


async def test_where_nothing_was_said_nothing_is_asked(comings: Comings) -> None:
    comings.discord.channel(comings.guild, "quiet")
    await comings.visit("hello")
    late = comings.general.posts.popitem()[1]
    late.id = str(int(late.id) - MINUTE)  # a minute ago
    comings.general.posts[late.id] = late
    await comings.visit()
    assert comings.read() == []


async def test_a_question_of_more_than_a_quarter_of_an_hour_ago_is_let_go(comings: Comings) -> None:
    await comings.notebook.note("discord", "alive", {"since": 1, "private": []})
    for text, minutes in (("too old", 16), ("in time", 14)):
        said = await comings.say(comings.general, text)
        del comings.general.posts[said.id]
        said.id = str(int(said.id) - minutes * MINUTE)
        comings.general.posts[said.id] = said
    await comings.visit()
    assert comings.heard == ["in time"]


async def test_a_flood_of_messages_and_channels_is_read_only_in_part(comings: Comings) -> None:
    comings.discord.limits.on = False  # nothing is paced here
    rooms = [comings.discord.channel(comings.guild, f"room-{number}") for number in range(60)]
    await comings.visit("hello")
    for room in rooms:
        await comings.say(room, f"in {room.name}")
    for number in range(120):
        await comings.say(comings.general, str(number))
    await comings.visit()
    assert len(comings.read()) == len(set(comings.read())) == silence_module.MOST_CHANNELS
    numbers = [int(text) for text in comings.heard if text.isdigit()]
    assert numbers == sorted(numbers)
    assert 95 <= len(numbers) <= 100  # what was heard before may be among the hundred
    assert "in room-59" in comings.heard
    assert "in room-0" not in comings.heard
    assert len(comings.discord.called("GET", r"/guilds/\d+/members/\d+")) == 1  # one person asked all of it


@pytest.mark.parametrize("status", [403, 404])
async def test_a_channel_that_cannot_be_read_does_not_hide_the_others(comings: Comings, status: int) -> None:
    other = comings.discord.channel(comings.guild, "other")
    await comings.visit("hello")
    await comings.say(other, "over here")
    await comings.say(comings.general, "here")
    comings.discord.fail("GET", rf"/channels/{comings.general.id}/messages", status)
    await comings.visit()
    assert comings.heard == ["hello", "over here"]
    await comings.visit()  # it is not read for ever
    assert comings.read().count(comings.general.id) <= 2


async def test_a_channel_whose_history_is_closed_costs_no_call(comings: Comings) -> None:
    await comings.visit("hello")
    await comings.say(comings.general, "anybody?")
    await comings.discord.forbid(comings.general, Permission.READ_MESSAGE_HISTORY)
    await comings.visit()
    assert comings.read() == []


async def test_a_channel_that_could_not_be_read_for_now_is_read_a_little_later(
    comings: Comings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence_module, "AGAIN", (0.02,) * 10)
    other = comings.discord.channel(comings.guild, "other")
    await comings.visit("hello")
    await comings.say(comings.general, "still waiting")
    await comings.say(other, "over here")
    trouble = comings.discord.fail("GET", rf"/channels/{comings.general.id}/messages", 503, times=2)
    cut = comings.discord.drop("GET", rf"/channels/{comings.general.id}/messages")
    await comings.visit()
    assert (trouble.hits, cut.hits) == (2, 1)
    assert comings.heard == ["hello", "over here", "still waiting"]
    assert comings.read().count(other.id) == 1


async def test_a_channel_that_could_not_be_read_at_all_is_read_at_the_next_start(
    comings: Comings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence_module, "AGAIN", (0.0,) * 2)
    await comings.visit("hello")
    await comings.say(comings.general, "still waiting")
    comings.discord.fail("GET", MESSAGES, 503, times=2)
    adapter = adapter_for(comings.discord, notebook=comings.notebook)
    with structlog.testing.capture_logs() as logs:
        async with running(adapter, comings.host):
            await comings.discord.until(lambda: [log for log in logs if "could not be read after" in log["event"]])
            await comings.say(comings.general, "later")
            await comings.discord.until(lambda: "later" in comings.heard)
    assert comings.heard == ["hello", "later"]
    await comings.visit()
    assert comings.heard == ["hello", "later", "still waiting"]


async def test_a_bot_that_is_ended_while_it_reads_reads_again(comings: Comings) -> None:
    await comings.visit("hello")
    await comings.say(comings.general, "still waiting")
    comings.discord.hold("GET", MESSAGES)
    adapter = adapter_for(comings.discord, notebook=comings.notebook)
    async with running(adapter, comings.host):
        await comings.discord.until(comings.read)
        await comings.say(comings.discord.channel(comings.guild), "live comes first")
        await comings.discord.until(lambda: "live comes first" in comings.heard)
    assert "still waiting" not in comings.heard
    await comings.visit()
    assert comings.heard == ["hello", "live comes first", "still waiting"]


async def test_what_was_said_between_a_lost_session_and_the_next_is_heard(discord: FakeDiscord) -> None:
    async with Scene(discord) as scene:
        await discord.say(scene.general, scene.ada, "one", mention_bot=True)
        await scene.heard()
        await discord.gateway.invalidate()
        await discord.say(scene.general, scene.ada, "two", mention_bot=True)  # to nobody
        await scene.heard(2)
        await discord.online()
        await discord.say(scene.general, scene.ada, "three", mention_bot=True)
        await scene.heard(3)
        assert [message.text for message in scene.host.messages] == ["one", "two", "three"]
        assert len(discord.gateway.identifies) == 2


async def test_what_was_said_while_a_client_was_replaced_is_heard(discord: FakeDiscord) -> None:
    async with Scene(discord) as scene:
        await discord.babble("{not json")
        await discord.until(lambda: not discord.gateway.lines)
        await discord.say(scene.general, scene.ada, "anybody?", mention_bot=True)
        assert (await scene.heard()).text == "anybody?"


async def test_what_was_said_in_a_server_that_was_down_is_heard_when_it_is_back(discord: FakeDiscord) -> None:
    async with Scene(discord) as scene:
        await discord.dispatch("GUILD_DELETE", {"id": scene.guild.id, "unavailable": True})
        scene.general.posts["0"] = unheard = Post(
            scene.general, scene.ada, f"{discord.bot.mention} hello?", mentions=[discord.bot]
        )
        scene.general.posts[unheard.id] = scene.general.posts.pop("0")
        await discord.welcome(scene.guild)
        assert (await scene.heard()).text == "hello?"


async def test_a_server_that_invites_the_bot_is_not_read(discord: FakeDiscord) -> None:
    async with Scene(discord) as scene:
        guild = discord.guild("Elsewhere")
        lobby = discord.channel(guild, "lobby")
        session = next(iter(discord.gateway.sessions.values()))
        session.line, line = None, session.line
        await discord.say(lobby, scene.ada, "can it hear us already?", mention_bot=True)
        session.line = line
        await discord.welcome(guild)
        await scene.nothing_heard_before()
        assert discord.called("GET", MESSAGES) == []


async def test_who_asked_is_known_as_well_as_if_they_had_just_been_heard(comings: Comings) -> None:
    chief = comings.discord.role(comings.guild, "chief", Permission.MANAGE_GUILD)
    comings.discord.join(comings.guild, comings.ada, chief, nickname="Captain")
    await comings.visit("hello")
    earlier = await comings.say(comings.general, "ahoy")
    await comings.discord.say(comings.general, comings.bob, "me too", mention_bot=True, reply_to=earlier)
    await comings.visit()
    _, ahoy, too = comings.host.messages
    assert (ahoy.author.name, ahoy.author.moderator) == ("Captain", True)
    assert (too.author.name, too.author.moderator) == ("Bob", False)
    assert too.quote
    assert too.quote.text == "@Parley ahoy"


async def test_who_has_left_the_server_since_is_still_heard(comings: Comings) -> None:
    await comings.visit("hello")
    await comings.say(comings.general, "goodbye")
    comings.discord.fail("GET", r"/guilds/\d+/members/\d+", 404)
    await comings.visit()
    assert comings.heard == ["hello", "goodbye"]


async def test_a_message_that_could_not_be_stored_stays_to_be_heard(comings: Comings) -> None:
    comings.host.trouble = RuntimeError("the disk is full: 'my secret'")
    adapter = adapter_for(comings.discord, notebook=comings.notebook)
    with structlog.testing.capture_logs() as logs:
        async with running(adapter, comings.host):
            await comings.discord.online()
            lost = await comings.say(comings.general, "my secret")
            await comings.discord.until(lambda: [log for log in logs if log["log_level"] == "error"])
            comings.host.trouble = None
            await comings.say(comings.general, "and now?")
            await comings.discord.until(lambda: comings.heard == ["and now?"])
    assert len([log for log in logs if log["log_level"] == "error"]) == 1
    assert "secret" not in str(logs)
    assert comings.since < int(lost.id)
    await comings.visit()
    assert comings.heard == ["and now?", "my secret"]


async def test_a_message_that_cannot_be_stored_when_it_is_read_later_is_noted_once_and_hides_no_other(
    comings: Comings,
) -> None:
    await comings.visit()
    await comings.say(comings.general, "my secret")
    comings.host.trouble = RuntimeError("'my secret'")
    adapter = adapter_for(comings.discord, notebook=comings.notebook)
    with structlog.testing.capture_logs() as logs:
        async with running(adapter, comings.host):
            await comings.discord.until(lambda: [log for log in logs if log["log_level"] == "error"])
            comings.host.trouble = None
            await comings.say(comings.general, "live")
            await comings.discord.until(lambda: "live" in comings.heard)
    assert len([log for log in logs if log["log_level"] == "error"]) == 1
    assert "secret" not in str(logs)
    await comings.visit()
    assert comings.heard == ["live", "my secret"]


async def test_notes_are_not_written_for_each_message(comings: Comings) -> None:
    await comings.visit(*(str(number) for number in range(30)))
    assert [name for name, _ in comings.notebook.written].count("alive") == 2  # on coming and on going
    assert comings.since >= int(next(reversed(comings.general.posts)))


async def test_notes_are_written_from_time_to_time(discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "KEEPING", 0.02)
    async with Scene(discord) as scene:
        said = await discord.say(scene.general, scene.ada, "hello", mention_bot=True)
        await discord.until(
            lambda: any(name == "alive" and value["since"] >= int(said.id) for name, value in scene.notebook.written)
        )


async def test_only_the_latest_private_channels_are_remembered() -> None:
    notebook = Notebook()
    attention = Attention(Notes(notebook))  # type: ignore[arg-type]
    await attention.load()
    for channel in range(1, MOST_PRIVATE + 3):
        await attention.meet(channel)
    await attention.meet(5)
    assert len(attention.private_channels) == MOST_PRIVATE
    assert attention.private_channels[:2] == [5, MOST_PRIVATE + 2]
    assert 2 not in attention.private_channels
    await attention.save()
    again = Attention(Notes(notebook))  # type: ignore[arg-type]
    await again.load()
    assert again.private_channels == attention.private_channels


async def test_of_a_server_that_was_down_for_an_hour_the_last_quarter_is_read() -> None:
    now = [1_800_000_000.0]
    attention = Attention(Notes(Notebook()), lambda: now[0])  # type: ignore[arg-type]
    await attention.load()
    attention.joined(0)
    attention.hold("server 1", attention.since(0))
    attention.hold(17, attention.since(0))
    before = attention.held("server 1")
    now[0] += 3600
    await attention.save()
    since = attention.held("server 1")
    assert since
    assert before
    assert since - before == pytest.approx(45 * MINUTE, abs=MINUTE)
    assert attention.held(17) is None  # a message that could not be stored an hour ago is given up


async def test_a_private_channel_that_is_closed_is_forgotten(comings: Comings) -> None:
    private = comings.discord.dm(comings.ada)
    adapter = adapter_for(comings.discord, notebook=comings.notebook)
    async with running(adapter, comings.host):
        await comings.discord.online()
        await comings.say(private, "hello")
        await comings.discord.until(lambda: comings.heard)
    comings.discord.fail("GET", MESSAGES, 403)
    await comings.visit()
    await comings.visit()
    assert comings.read() == [private.id]


async def test_it_comes_although_its_notes_cannot_be_read_or_written(
    discord: FakeDiscord, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.close()
    adapter, host = adapter_for(discord, notebook=store), Listener()  # type: ignore[arg-type]  # a real one, closed
    general = discord.channel(discord.guild())
    with structlog.testing.capture_logs() as logs:
        async with running(adapter, host):
            await discord.online()
            await discord.say(general, discord.person("Ada"), "hello", mention_bot=True)
            await discord.until(lambda: host.messages)
            await adapter.post(place(general), Reply("hi"), answers="", nonce="n1")
    assert {log["event"] for log in logs} >= {"a note could not be read", "a note could not be kept"}


async def test_a_real_store_keeps_the_notes(discord: FakeDiscord, store: Store) -> None:
    general, ada, host = discord.channel(discord.guild()), discord.person("Ada"), Listener()
    async with running(adapter_for(discord, notebook=store), host):  # type: ignore[arg-type]
        await discord.online()
        await discord.say(general, ada, "one", mention_bot=True)
        await discord.until(lambda: host.messages)
    await discord.say(general, ada, "two", mention_bot=True)
    began = time.monotonic()
    async with running(adapter_for(discord, notebook=store), host):  # type: ignore[arg-type]
        await discord.until(lambda: len(host.messages) == 2)
    assert time.monotonic() - began < 10
