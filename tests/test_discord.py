"""Parley on Discord: real discord.py against a loopback Discord that speaks the wire."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import discord as library
import pytest
import structlog
from discord.gateway import DiscordWebSocket
from discord.http import Route

from bot.adapter import AdapterOff, Gone, PostFailed
from bot.adapters.discord import Discord
from bot.adapters.discord import connection as connection_module
from bot.config import Config
from bot.errors import UserError
from bot.messages import Attachment, Button, Channel, Message, Person, Quote, Reply
from tests.fakes.discord import FakeDiscord, Flag, Kind, Permission, Room, User

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
OGG = b"OggS" + bytes(200)


@dataclass
class Listener:
    """A host that only remembers what it was told."""

    messages: list[Message] = field(default_factory=list)
    edits: list[tuple[Channel, str, str]] = field(default_factory=list)
    deletions: list[tuple[Channel, list[str]]] = field(default_factory=list)
    stops: list[tuple[Channel, str, Person]] = field(default_factory=list)
    may_stop: bool = True
    trouble: Exception | None = None

    async def heard(self, message: Message) -> bool:
        if self.trouble:
            raise self.trouble
        self.messages.append(message)
        return True

    async def edited(self, channel: Channel, message_id: str, text: str) -> None:
        self.edits.append((channel, message_id, text))

    async def deleted(self, channel: Channel, message_ids: Iterable[str]) -> None:
        self.deletions.append((channel, list(message_ids)))

    async def stop(self, channel: Channel, message_id: str, person: Person) -> bool:
        self.stops.append((channel, message_id, person))
        return self.may_stop


@dataclass
class Scene:
    """A server with a channel, two people, and Parley listening."""

    discord: FakeDiscord
    host: Listener
    adapter: Discord
    general: Room
    ada: User
    bob: User

    async def heard(self, count: int = 1) -> Message:
        await self.discord.until(lambda: len(self.host.messages) >= count)
        return self.host.messages[-1]

    async def nothing_heard_before(self, author: User | None = None) -> None:
        """Everything said until now passed by unheard: a message that is certainly heard comes first."""
        await self.discord.say(self.general, author or self.bob, "and now?", mention_bot=True)
        assert (await self.heard()).text == "and now?"
        assert len(self.host.messages) == 1

    @property
    def channel(self) -> Channel:
        return place(self.general)


def place(room: Room) -> Channel:
    return Channel("discord", room.id, room.guild.id if room.guild else "", "channel", room.name)


def config(discord: FakeDiscord | None = None, **more: Any) -> Config:
    given: dict[str, Any] = {"discord_token": discord.token, "discord_api": discord.api} if discord else {}
    return Config(_env_file=None, **(given | more))


def adapter_for(discord: FakeDiscord) -> Discord:
    return Discord(config(discord), None)  # type: ignore[arg-type]  # this adapter keeps nothing in the store


@contextlib.asynccontextmanager
async def running(adapter: Discord, host: Listener) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(adapter.run(host))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, AdapterOff):
            await task


@pytest.fixture(autouse=True)
def as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py keeps the server's address in its classes; put back what a test changes there."""
    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    harbour = discord.guild("The Harbour")
    general = discord.channel(harbour, "general")
    ada, bob = discord.person("Ada"), discord.person("Bob")
    host, adapter = Listener(), adapter_for(discord)
    async with running(adapter, host):
        await discord.online()
        yield Scene(discord, host, adapter, general, ada, bob)


# Who is heard


async def test_a_mention_is_heard_without_the_mention(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "what is a tide?", mention_bot=True)
    heard = await scene.heard()
    assert heard.text == "what is a tide?"
    assert heard.id == said.id
    assert heard.channel == Channel("discord", scene.general.id, scene.general.guild.id, "channel", "general")
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
    role = scene.discord.bot_role(scene.general.guild)
    await scene.discord.say(scene.general, scene.ada, f"{role.mention} are you there?")
    heard = await scene.heard()
    assert heard.text == ""  # Discord hides the text of a message that mentions only the role


async def test_another_role_does_not_count_as_the_bot(scene: Scene) -> None:
    crew = scene.discord.role(scene.general.guild, "crew")
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
    guild = scene.general.guild
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
    crew = scene.discord.role(scene.general.guild, "crew")
    await scene.discord.welcome(scene.general.guild)
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
    scene.discord.join(scene.general.guild, scene.ada, nickname="Captain")
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
            await discord.until(lambda count=count: len(host.messages) == count)
            assert host.messages[-1].author.moderator is moderator, (room.name, person.name)


# Files


async def test_a_picture_comes_in(scene: Scene) -> None:
    await scene.discord.say(
        scene.general, scene.ada, "what is this?", mention_bot=True, attachments=[("sea view.png", "image/png", PNG)]
    )
    [picture] = (await scene.heard()).attachments
    assert (picture.name, picture.media_type, picture.kind, picture.size) == ("sea_view.png", "image/png", "image", 70)
    assert picture.data == b""
    assert await scene.adapter.read(scene.channel, picture, 70) == PNG


async def test_a_voice_message_comes_in_although_it_has_no_text(scene: Scene) -> None:
    private = scene.discord.dm(scene.ada)
    note = ("voice-message.ogg", "audio/ogg", OGG)
    await scene.discord.say(private, scene.ada, voice=True, attachments=[note], seconds=3.5)
    heard = await scene.heard()
    [sound] = heard.attachments
    assert (heard.text, sound.kind, sound.seconds) == ("", "audio", 3.5)
    assert await scene.adapter.read(heard.channel, sound, 1000) == OGG


async def test_a_voice_message_in_a_server_is_heard_as_a_reply(scene: Scene) -> None:
    await scene.adapter.post(scene.channel, Reply("Tell me."), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    note = ("voice-message.ogg", "audio/ogg", OGG)
    await scene.discord.say(scene.general, scene.ada, voice=True, attachments=[note], reply_to=answer)
    assert (await scene.heard()).attachments[0].kind == "audio"


async def test_a_file_can_be_read_after_its_link_has_expired_and_the_bot_was_restarted(scene: Scene) -> None:
    await scene.discord.say(scene.general, scene.ada, mention_bot=True, attachments=[("a.png", "image/png", PNG)])
    [picture] = (await scene.heard()).attachments
    scene.discord.links.expire()
    second = adapter_for(scene.discord)
    async with running(second, Listener()):
        assert await second.read(scene.channel, picture, 1000) == PNG
    assert len(scene.discord.called("GET", r"/channels/\d+/messages/\d+")) == 1


async def test_a_file_whose_message_is_gone_is_asked_for_again(scene: Scene) -> None:
    said = await scene.discord.say(
        scene.general, scene.ada, mention_bot=True, attachments=[("a.png", "image/png", PNG)]
    )
    [picture] = (await scene.heard()).attachments
    await scene.discord.delete(said)
    with pytest.raises(UserError, match=r"a\.png.*send it again"):
        await scene.adapter.read(scene.channel, picture, 1000)


@pytest.mark.parametrize("told", [True, False], ids=["length told", "length not told"])
async def test_a_file_above_the_limit_is_refused_while_it_comes(scene: Scene, told: bool) -> None:
    scene.discord.telling_lengths = told
    huge = ("huge.bin", "application/octet-stream", bytes(5_000_000))
    await scene.discord.say(scene.general, scene.ada, mention_bot=True, attachments=[huge])
    [file] = (await scene.heard()).attachments
    with pytest.raises(UserError, match=r"huge\.bin.*too large.*1 MB"):
        await scene.adapter.read(scene.channel, file, 1024 * 1024)


async def test_a_download_shows_nobody_the_token_and_follows_no_redirect(scene: Scene) -> None:
    await scene.discord.say(scene.general, scene.ada, mention_bot=True, attachments=[("a.png", "image/png", PNG)])
    [picture] = (await scene.heard()).attachments
    scene.discord.fail("GET", "/attachments/.*", 302, headers={"Location": f"{scene.discord.cdn}/elsewhere"}, body=b"")
    with pytest.raises(UserError, match="send it again"):
        await scene.adapter.read(scene.channel, picture, 1000)
    assert [path.split("/")[1] for path, _ in scene.discord.downloads] == ["attachments"]
    assert all("Authorization" not in headers for _, headers in scene.discord.downloads)


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://discord.com.evil.example/a.png",
        "http://cdn.discordapp.com/attachments/1/2/a.png",
        "https://cdn.discordapp.com:8443/attachments/1/2/a.png",
        "https://evil.example/cdn.discordapp.com/a.png",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
async def test_files_are_fetched_from_discord_only(discord: FakeDiscord, address: str) -> None:
    source = json.dumps({"channel": "1", "message": "2", "attachment": "3", "url": address})
    forged = Attachment("a.png", "image/png", source=source)
    with pytest.raises(UserError, match="servers"):
        await adapter_for(discord).read(Channel("discord", "1"), forged, 1000)


async def test_a_picture_goes_out_with_its_description(scene: Scene) -> None:
    fox = Attachment("fox.png", "image/png", PNG, alt="A fox on a pier")
    await scene.adapter.post(scene.channel, Reply("Here:", (fox,)), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    [file] = answer.files
    assert (file.filename, file.content_type, file.data, file.description) == (
        "fox.png",
        "image/png",
        PNG,
        "A fox on a pier",
    )


async def test_a_picture_can_come_with_the_last_edit_and_survives_a_later_one(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("Drawing…"), answers="", nonce="n1")
    fox = Attachment("fox.png", "image/png", PNG, alt="A fox")
    for _ in range(2):
        await scene.adapter.edit(scene.channel, sent, Reply("", (fox,)))
    [answer] = scene.discord.answers(scene.general)
    assert (answer.content, [file.filename for file in answer.files]) == ("", ["fox.png"])
    await scene.adapter.edit(scene.channel, sent, Reply("A fox, as you wished"))
    assert len(answer.files) == 1


async def test_a_room_without_files_is_told_so_in_words(scene: Scene) -> None:
    await scene.discord.forbid(scene.general, Permission.ATTACH_FILES)
    await scene.discord.say(scene.general, scene.ada, "draw", mention_bot=True)
    await scene.heard()  # by now the change has been seen as well
    fox = Attachment("fox.png", "image/png", PNG)
    await scene.adapter.post(scene.channel, Reply("A fox:", (fox,)), answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    assert answer.content.startswith("A fox:\n\n(I may not attach files")
    assert "Attach Files" in answer.content
    assert [call.files for call in scene.discord.called("POST", r"/channels/\d+/messages")] == [[]]


async def test_a_permission_that_was_lost_unnoticed_costs_only_the_file(scene: Scene) -> None:
    await scene.discord.forbid(scene.general, Permission.ATTACH_FILES, quietly=True)
    fox = Attachment("fox.png", "image/png", PNG)
    sent = await scene.adapter.post(scene.channel, Reply("", (fox,)), answers="", nonce="n1")
    await scene.adapter.edit(scene.channel, sent, Reply("Again:", (fox,)))
    [answer] = scene.discord.answers(scene.general)
    assert answer.versions[0].startswith("(I may not attach files")
    assert answer.content.startswith("Again:\n\n(I may not attach files")


async def test_a_file_that_is_too_large_costs_only_the_file(scene: Scene) -> None:
    huge = Attachment("huge.png", "image/png", bytes(11 * 1024 * 1024))
    await scene.adapter.post(scene.channel, Reply("A fox:", (huge,)), answers="", nonce="n1")
    assert "larger than Discord takes" in scene.discord.answers(scene.general)[0].content


async def test_boosted_servers_take_larger_files(discord: FakeDiscord) -> None:
    small, boosted = discord.guild("Small"), discord.guild("Boosted", tier=2)
    rooms = [discord.channel(guild) for guild in (small, boosted)]
    adapter = adapter_for(discord)
    assert adapter.limits(place(rooms[1])).attachment_bytes == 10 * 1024 * 1024  # while nothing is known
    async with running(adapter, Listener()):
        await discord.until(lambda: adapter.limits(place(rooms[1])).attachment_bytes == 50 * 1024 * 1024)
        assert adapter.limits(place(rooms[0])).attachment_bytes == 10 * 1024 * 1024
        assert adapter.limits(Channel("discord", "1", kind="direct")).attachment_bytes == 10 * 1024 * 1024


# What is shown


async def test_an_answer_is_a_reply_that_pings_nobody(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "mention everyone", mention_bot=True)
    text = f"@everyone @here {scene.bob.mention} https://example.org"
    sent = await scene.adapter.post(scene.channel, Reply(text), answers=said.id, nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    assert (answer.id, answer.content, answer.reply_to) == (sent, text, said)
    assert (answer.mentions, answer.mention_everyone) == ([], False)
    assert Flag.SUPPRESS_EMBEDS in answer.flags


async def test_an_edit_pings_nobody_either(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("wait"), answers="", nonce="n1")
    await scene.adapter.edit(scene.channel, sent, Reply(f"@everyone {scene.bob.mention} look"))
    [answer] = scene.discord.answers(scene.general)
    assert answer.content.endswith("look")
    assert (answer.mentions, answer.mention_everyone) == ([], False)
    assert all(call.json["allowed_mentions"]["parse"] == [] for call in scene.discord.calls if call.json)
    assert Flag.SUPPRESS_EMBEDS in answer.flags


async def test_the_loopback_discord_would_ping_if_nothing_were_said_about_it(scene: Scene) -> None:
    """What the two tests above rest on."""
    await scene.discord.until(lambda: scene.adapter._connection._client)
    client = scene.adapter._connection._client
    body = {"content": f"@everyone {scene.bob.mention}"}
    await client.http.request(Route("POST", "/channels/{channel_id}/messages", channel_id=scene.general.id), json=body)
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
    await scene.adapter.typing(Channel("discord", "1"))
    assert len(scene.discord.called("POST", r"/channels/\d+/typing")) == 4


async def test_typing_before_discord_is_joined_is_nothing(discord: FakeDiscord) -> None:
    await adapter_for(discord).typing(Channel("discord", "1"))
    assert discord.calls == []


# The stop button


async def test_a_running_answer_can_be_stopped_by_its_button(scene: Scene) -> None:
    running_reply = Reply("Once upon", buttons=(Button("stop", "Stop"),), running=True)
    sent = await scene.adapter.post(scene.channel, running_reply, answers="", nonce="n1")
    [answer] = scene.discord.answers(scene.general)
    press = await scene.discord.press(answer, scene.ada, "Stop")
    await scene.discord.until(lambda: press.response)
    assert press.response == {"type": 6}
    [(channel, message_id, person)] = scene.host.stops
    assert (channel.key, message_id, person) == (scene.channel.key, sent, Person(scene.ada.id, "Ada"))
    await scene.adapter.edit(scene.channel, sent, Reply("Once upon a time."))
    assert answer.components == []


async def test_who_may_not_stop_it_is_told_so_in_private(scene: Scene) -> None:
    scene.host.may_stop = False
    private = scene.discord.dm(scene.ada)
    channel = Channel("discord", private.id, kind="direct")
    await scene.adapter.post(channel, Reply("Once", buttons=(Button("stop", "Stop"),)), answers="", nonce="n1")
    press = await scene.discord.press(scene.discord.answers(private)[0], scene.ada, "Stop")
    response = await scene.discord.until(lambda: press.response)
    assert response["data"]["flags"] == Flag.EPHEMERAL
    assert "Only who asked" in response["data"]["content"]
    assert scene.host.stops[0][0] == channel


# What changes afterwards


async def test_an_edited_question_is_told_on(scene: Scene) -> None:
    said = await scene.discord.say(scene.general, scene.ada, "waht?", mention_bot=True)
    await scene.discord.unfurl(said, {"type": "link", "url": "https://example.org"})  # not an edit
    await scene.discord.change(said, f"{scene.discord.bot.mention} what?")
    await scene.discord.until(lambda: scene.host.edits)
    assert scene.host.edits == [(scene.channel, said.id, "what?")]


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
    where = Channel("discord", thread.id, scene.general.guild.id, "thread", "aside", scene.general.id)
    assert scene.host.deletions == [
        (where, [first.id]),
        (where, sorted([second.id, third.id])),
        (Channel("discord", private.room.id, kind="direct"), [private.id]),
    ]


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
    other = scene.discord.channel(scene.general.guild, "other")
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
    assert len(scene.discord.called("POST", r"/channels/\d+/messages")) == 2


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
    channel = Channel("discord", thread.id, scene.general.guild.id, "thread", "done", scene.general.id)
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


async def test_an_invalid_session_is_begun_anew_at_the_same_server(scene: Scene) -> None:
    await scene.discord.gateway.invalidate()
    await scene.discord.until(lambda: len(scene.discord.gateway.identifies) == 2, within=20)
    await scene.discord.online()
    await scene.discord.say(scene.general, scene.ada, "hello again", mention_bot=True)
    assert (await scene.heard()).text == "hello again"


async def test_one_malformed_event_is_lost_alone(scene: Scene) -> None:
    await scene.discord.dispatch("MESSAGE_CREATE", {"id": "1", "channel_id": "not a number"})
    await scene.discord.dispatch("GUILD_ROLE_CREATE", {"guild_id": scene.general.guild.id})
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
    adapter = Discord(config(discord, discord_token="wrong"), None)  # type: ignore[arg-type]
    with pytest.raises(AdapterOff, match="DISCORD_TOKEN"):
        await asyncio.wait_for(adapter.run(Listener()), 10)
    assert len(discord.calls) == 1


async def test_a_token_that_is_revoked_at_the_gateway_switches_discord_off(scene: Scene) -> None:
    task = next(task for task in asyncio.all_tasks() if "Discord.run" in repr(task.get_coro()))
    scene.discord.token = "another"
    await scene.discord.gateway.invalidate()
    with pytest.raises(AdapterOff, match="DISCORD_TOKEN"):
        await asyncio.wait_for(asyncio.shield(task), 20)


async def test_discord_being_down_at_the_start_is_waited_for(discord: FakeDiscord) -> None:
    down = discord.fail("GET", "/users/@me", 503, times=2)
    async with running(adapter_for(discord), Listener()):
        await discord.online(within=20)
    assert down.hits == 2


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


# Configuration


@pytest.mark.parametrize("token", [None, "", "  ", "two words", "tökén"])
def test_without_a_usable_token_the_one_thing_to_set_is_named(token: str | None) -> None:
    with pytest.raises(AdapterOff, match=r"DISCORD_TOKEN.*https://discord\.com/developers/applications"):
        Discord(config(discord_token=token), None)  # type: ignore[arg-type]


async def test_a_server_that_discord_py_was_pointed_to_by_somebody_else_is_kept(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Route, "BASE", discord.api)
    adapter = Discord(config(discord_token=discord.token), None)  # type: ignore[arg-type]
    assert discord.api == Route.BASE
    async with running(adapter, Listener()):
        await discord.online()


def test_the_api_of_another_server_may_be_named_by_its_host_alone() -> None:
    Discord(config(discord_token="t", discord_api="http://127.0.0.1:9999/"), None)  # type: ignore[arg-type]
    assert Route.BASE == "http://127.0.0.1:9999/api/v10"


async def test_words_and_tokens_do_not_reach_the_logs(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    await scene.discord.say(scene.general, scene.ada, "my secret question", mention_bot=True)
    await scene.heard()
    await scene.adapter.post(scene.channel, Reply("my secret answer"), answers="", nonce="n1")
    await scene.discord.gateway.ask_to_reconnect()
    await scene.discord.until(lambda: scene.discord.gateway.resumes)
    for private in ("secret", scene.discord.token):
        assert private not in caplog.text


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
