"""Pictures, voice messages and other files on Discord, in and out."""

import json
from collections.abc import AsyncIterator

import pytest

from bot.errors import UserError
from bot.messages import Attachment, Channel, Reply
from tests.discord_scene import OGG, PNG, Listener, Scene, adapter_for, loopback, place, running
from tests.fakes.discord import FakeDiscord, Permission


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with loopback() as discord:
        yield discord


@pytest.fixture
async def scene(discord: FakeDiscord) -> AsyncIterator[Scene]:
    async with Scene(discord) as scene:
        yield scene


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


async def test_a_picture_can_come_with_the_last_edit_and_goes_when_the_answer_is_another(scene: Scene) -> None:
    sent = await scene.adapter.post(scene.channel, Reply("Drawing…"), answers="", nonce="n1")
    fox = Attachment("fox.png", "image/png", PNG, alt="A fox")
    for _ in range(2):
        await scene.adapter.edit(scene.channel, sent, Reply("", (fox,)))
    [answer] = scene.discord.answers(scene.general)
    assert (answer.content, [file.filename for file in answer.files]) == ("", ["fox.png"])
    await scene.adapter.edit(scene.channel, sent, Reply("Drawing another…", running=True))
    assert len(answer.files) == 1
    await scene.adapter.edit(scene.channel, sent, Reply("No fox this time."))
    assert answer.files == []


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
