"""Files and pictures that come in Teams; of those that cannot be had, a sentence says what to do."""

import asyncio

import pytest

from bot.errors import UserError
from bot.messages import Message
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import FakeTeams
from tests.sounds import babble, wav
from tests.teams_bot import TeamsBot


async def sent(teams: FakeTeams, bot: TeamsBot, name: str, content: bytes, media_type: str = "image/png") -> Message:
    ada = teams.person("Ada")
    await teams.say(teams.personal(ada), ada, "look", attachments=[teams.file(name, content, media_type)])
    return bot.notes.last


async def read(bot: TeamsBot, heard: Message, limit: int = 1_000_000) -> bytes:
    return await bot.adapter.read(heard.channel, heard.attachments[0], limit)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_a_link_that_is_over_is_to_be_sent_again(status: int, teams: FakeTeams, bot: TeamsBot) -> None:
    heard = await sent(teams, bot, "fox.png", b"x")
    teams.fail(status, path="/sharepoint/")
    with pytest.raises(UserError, match=r"no longer gives out “fox\.png”\. Please send it again"):
        await read(bot, heard)


async def test_a_sign_in_page_is_not_taken_for_the_file(teams: FakeTeams, bot: TeamsBot) -> None:
    page = b"<!DOCTYPE html><title>Sign in to your account</title>"
    heard = await sent(teams, bot, "report.pdf", page, "text/html")
    with pytest.raises(UserError, match=r"sign-in page instead of “report\.pdf”.*send the file again"):
        await read(bot, heard)
    heard = await sent(teams, bot, "page.html", page, "text/html")
    assert await read(bot, heard) == page, "a page that was sent is one"


async def test_an_empty_file_is_told_of(teams: FakeTeams, bot: TeamsBot) -> None:
    heard = await sent(teams, bot, "fox.png", b"")
    with pytest.raises(UserError, match=r"“fox\.png” is empty"):
        await read(bot, heard)


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
async def test_what_is_too_large_is_not_read_to_its_end(
    told: bool, teams: FakeTeams, bot: TeamsBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the server says how much there is, or goes on and on."""
    heard = await sent(teams, bot, "fox.png", b"x")
    took = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal took
        await reader.readuntil(b"\r\n\r\n")
        length = b"Content-Length: 5000000\r\n" if told else b""
        writer.write(b"HTTP/1.1 200 OK\r\n" + length + b"Content-Type: image/png\r\nConnection: close\r\n\r\n")
        try:
            while took < 50_000_000:
                writer.write(b"x" * 100_000)
                await writer.drain()
                took += 100_000
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        teams.fail(302, path="/sharepoint/", headers={"Location": f"http://127.0.0.1:{port}/"})
        monkeypatch.setattr(bot.adapter._downloads._hosts, "_listed", frozenset({"127.0.0.1"}))
        with pytest.raises(UserError, match=r"larger than 0\.1 MB"):
            await read(bot, heard, 100_000)
    assert took < 40_000_000


async def test_a_voice_message_of_teams_own_is_told_of(teams: FakeTeams, store: Store) -> None:
    """In a chat it is a card whose sound nobody may fetch, in a channel nothing but a mark."""
    ada = teams.person("Ada")
    chat, group = teams.personal(ada), teams.group("A group", ada)
    media = {"media": [{"url": "https://eu-api.asm.skype.com/v1/objects/0-x/views/audio"}], "duration": "PT4S"}
    card = {"contentType": "application/vnd.microsoft.card.audio", "content": media}
    mark = '<p><span itemscope itemtype="http://schema.skype.com/InputExtension" itemid="x"></span></p>'
    async with TeamsBot(teams, store, model=ScriptedModel()) as bot:
        await teams.say(chat, ada, "", attachments=[card])
        await teams.say(group, ada, "", attachments=[{"contentType": "text/html", "content": mark}])
        await bot.core.idle()  # type: ignore[union-attr]
    for place in (chat, group):
        assert "does not pass its own voice messages on" in teams.answers(place)[0].text


async def test_a_recording_in_a_chat_of_ones_own_is_written_down(teams: FakeTeams, store: Store) -> None:
    ada = teams.person("Ada")
    chat, model = teams.personal(ada), ScriptedModel(hears="The fox is in the garden.")
    async with TeamsBot(teams, store, model=model) as bot:
        memo = teams.file("memo.wav", wav(babble(2.0), 16000), "application/octet-stream")
        await teams.say(chat, ada, "", attachments=[memo])
        await bot.core.idle()  # type: ignore[union-attr]
    assert "The fox is in the garden." in teams.answers(chat)[0].text
