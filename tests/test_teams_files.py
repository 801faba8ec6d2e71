"""Files that go out in Teams: offered, wanted or not, and written to a person's OneDrive once, whatever happens."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from bot.adapter import PostFailed
from bot.messages import Attachment, Message, Reply
from storage import Kept, Store, Upload, erase, purge
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.world import Shown
from tests.teams_bot import TeamsBot

SONG = Attachment("song.wav", "audio/wav", b"la" * 100_000, alt="the answer, spoken")
LONG = Attachment("song.wav", "audio/wav", bytes(range(256)) * (6 * 4096))  # 6 MiB: two pieces


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def chat(teams: FakeTeams, ada: Person) -> Conversation:
    return teams.personal(ada)


async def offered(
    teams: FakeTeams, bot: TeamsBot, chat: Conversation, *files: Attachment, locale: str = "en-GB"
) -> tuple[Message, Shown]:
    """Somebody asked for files, and they are offered: the question, and the last offer."""
    await teams.say(chat, chat.members[0], "say it aloud", locale=locale)
    heard = bot.notes.last
    await bot.adapter.post(heard.channel, Reply("Here:", files or (SONG,)), answers=heard.id, nonce=heard.id[-20:])
    return heard, teams.answers(chat)[-1]


def kind_of(shown: Shown) -> str:
    (attached,) = shown.activity.get("attachments") or ({"contentType": ""},)
    return str(attached["contentType"]).rpartition(".")[2]


def saved(shown: Shown) -> Callable[[], bool]:
    return lambda: kind_of(shown) == "info"


async def kept(store: Store) -> list[Any]:
    def work(connection: Connection) -> list[Any]:
        return list(connection.execute(text("SELECT state, name, length(data) AS size, target FROM uploads")))

    return await store.database.read(work)


async def older(store: Store, hours: float) -> None:
    at = (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%d %H:%M:%S.%f")

    def work(connection: Connection) -> None:
        connection.execute(text("UPDATE uploads SET at = :at"), {"at": at})

    await store.database.write(work)


async def test_a_file_is_offered_in_ones_language_and_saved_once_its_person_agrees(
    teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat, locale="de-DE")
    content = offer.activity["attachments"][0]["content"]
    assert (content["sizeInBytes"], content["description"]) == (200_000, "Eine Tondatei: the answer, spoken")

    info = teams.onedrive.session("song.wav")
    first, second = await asyncio.gather(*(teams.consent(chat, ada, offer, info) for _ in range(2)))
    await teams.until(saved(offer))
    third = await teams.consent(chat, ada, offer, teams.onedrive.session("song (1).wav"))

    assert (first.status, second.status, third.status) == (200, 200, 200)
    assert teams.onedrive.files == {"song.wav": [SONG.data]}, "once, however often it was agreed to"
    (card,) = offer.activity["attachments"]
    assert (card["contentUrl"], card["name"]) == (info["contentUrl"], "song.wav")
    assert card["content"] == {"uniqueId": "id-song.wav", "fileType": "wav"}
    assert len(teams.answers(chat)) == 2, "the file stands where its offer stood"
    await teams.until(lambda: bot.adapter._background == set())
    ((state, name, size, target),) = await kept(store)
    assert (state, name, size, target) == ("done", "", 0, "{}"), "nothing of it is left here"


async def test_an_offer_survives_a_restart(teams: FakeTeams, store: Store, ada: Person, chat: Conversation) -> None:
    async with TeamsBot(teams, store) as bot:
        _, offer = await offered(teams, bot, chat)
    async with TeamsBot(teams, store):
        await teams.consent(chat, ada, offer, teams.onedrive.session("song.wav"))
        await teams.until(saved(offer))
    assert teams.onedrive.files == {"song.wav": [SONG.data]}


async def test_what_is_not_wanted_is_gone_at_once(
    teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat)
    await teams.consent(chat, ada, offer, None, locale="fr-FR")
    await teams.until(lambda: offer.text != "")
    assert offer.text == "« song.wav » n’a pas été enregistré."
    assert await kept(store) == []
    await teams.consent(chat, ada, offer, teams.onedrive.session("song.wav"))
    await teams.until(lambda: "too old, or was withdrawn" in teams.answers(chat)[-1].text)
    assert teams.onedrive.files == {}


@pytest.mark.parametrize("how", ["a day", "another chat", "the person", "the purge", "the answer", "anew"])
async def test_an_offer_ends_with(
    how: str, teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person, chat: Conversation
) -> None:
    heard, offer = await offered(teams, bot, chat)
    where = chat
    if how in ("a day", "the purge"):
        await older(store, 24.1)
    if how == "the purge":
        assert (await purge(store, Kept()))["uploads"] == 1
    elif how == "the person":
        key = heard.channel.key
        assert await store.accept(key, heard.id, "{}", ada.aad, direct=True) is not None
        _, offer = await offered(teams, bot, chat)  # by now it is known whose chat this is
        await erase(store, "teams", ada.aad)
        assert len(await kept(store)) == 1, "only the one of before"
    elif how == "another chat":
        where = teams.personal(ada)
        await teams.say(where, ada, "hello")
    elif how == "the answer":
        await bot.adapter.remove(heard.channel, teams.answers(chat)[0].id)
        assert await kept(store) == []
    elif how == "anew":
        await bot.adapter.edit(heard.channel, teams.answers(chat)[0].id, Reply("Nothing."))
        assert await kept(store) == []

    await teams.consent(where, ada, offer, teams.onedrive.session("song.wav"))
    await teams.until(lambda: any("too old, or was withdrawn" in each.text for each in teams.answers(where)))
    assert teams.onedrive.files == {}


async def test_offers_do_not_pile_up(teams: FakeTeams, bot: TeamsBot, store: Store, chat: Conversation) -> None:
    heard, _ = await offered(teams, bot, chat, SONG)
    for number in range(25):
        await store.offer_upload(Upload(f"{number}", heard.channel.key, f"{number}.txt", "text/plain", b"x"))
    assert [each.name for each in await kept(store)] == [f"{number}.txt" for number in range(5, 25)]


# On the way.


async def test_a_large_file_goes_in_pieces_and_on_where_it_was_cut(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat, LONG)
    teams.fail(503, method="PUT", path="/onedrive/", headers={"Retry-After": "0"})
    teams.drop(method="PUT", path="/onedrive/")  # the piece arrived, the answer did not
    await teams.consent(chat, ada, offer, teams.onedrive.session("song.wav"))
    await teams.until(saved(offer))
    assert teams.onedrive.files == {"song.wav": [LONG.data]}
    sizes = [(len(call.body), call.status) for call in teams.called("PUT", "/onedrive/")]
    assert sizes == [(5 << 20, 503), (5 << 20, 499), (1 << 20, 201)], "what has arrived is not sent again"


async def test_the_last_piece_counts_though_nobody_heard_that_it_came(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat)
    teams.drop(method="PUT", path="/onedrive/")
    await teams.consent(chat, ada, offer, teams.onedrive.session("song.wav"))
    await teams.until(saved(offer))
    assert teams.onedrive.files == {"song.wav": [SONG.data]}


@pytest.mark.parametrize("file", [SONG, LONG], ids=["small", "large"])
async def test_when_the_time_to_write_is_over_it_says_so(
    file: Attachment, teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat, file)
    info = teams.onedrive.session("song.wav")
    teams.onedrive.end("song.wav")
    await teams.consent(chat, ada, offer, info)
    await teams.until(lambda: "the time that Teams gives for it was over" in offer.text)
    await teams.until(lambda: bot.adapter._background == set())
    assert [each.size for each in await kept(store)] == [0]


@pytest.mark.parametrize(
    "address",
    ["https://evil.example/steal", "http://contoso-my.sharepoint.com/x", "https://sharepoint.com.evil/", "", 7],
)
async def test_a_file_is_never_written_to_a_foreign_place(
    address: Any, teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat)
    await teams.consent(chat, ada, offer, {"uploadUrl": address})
    await teams.until(lambda: "could not be saved in your OneDrive" in offer.text)


async def test_a_place_that_leads_elsewhere_is_not_followed(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat)
    teams.fail(307, method="PUT", path="/onedrive/", headers={"Location": "https://evil.example/"})
    await teams.consent(chat, ada, offer, teams.onedrive.session("song.wav"))
    await teams.until(lambda: "could not be saved in your OneDrive" in offer.text)


async def test_where_an_offer_cannot_be_changed_the_file_is_shown_below(
    teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation
) -> None:
    _, offer = await offered(teams, bot, chat)
    teams.fail(400, method="PUT", path="/conversations/", code="BadSyntax")
    await teams.consent(chat, ada, offer, teams.onedrive.session("song.wav"))
    await teams.until(lambda: kind_of(teams.answers(chat)[-1]) == "info")
    await teams.until(lambda: offer not in teams.answers(chat))


# kill -9: whoever was sending stops for ever at one step, and another process takes over what is in storage.

STEPS = {
    "wanted, nothing sent": ("after", "take_upload"),
    "before the last piece": ("before", "close_upload"),
    "at the last piece": ("after", "close_upload"),
    "sent, not yet shown": ("card", ""),
    "shown, not yet over": ("before", "finish_upload"),
    "over": ("after", "finish_upload"),
}


@pytest.mark.parametrize("step", STEPS)
async def test_a_file_is_saved_once_although_the_bot_died(
    step: str,
    teams: FakeTeams,
    store: Store,
    ada: Person,
    chat: Conversation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    when, name = STEPS[step]
    dead = asyncio.Event()

    def deadly(real: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def work(*args: Any, **kwargs: Any) -> Any:
            found = await real(*args, **kwargs) if when == "after" else None
            dead.set()
            await asyncio.Event().wait()
            return found

        return work

    async with TeamsBot(teams, store) as bot:
        _, offer = await offered(teams, bot, chat, LONG)
        held = teams.hold(method="PUT", path="/conversations/") if when == "card" else None
        with monkeypatch.context() as patch:
            if name:
                patch.setattr(store, name, deadly(getattr(store, name)))
            accepting = asyncio.create_task(teams.consent(chat, ada, offer, teams.onedrive.session("song.wav")))
            await teams.until(lambda: dead.is_set() or (held is not None and held.times == 0))
            await bot.stop()
            accepting.cancel()
            await asyncio.gather(accepting, return_exceptions=True)
    teams.faults.clear()

    async with TeamsBot(teams, store) as again:
        await teams.until(saved(offer))
        await teams.consent(chat, ada, offer, teams.onedrive.session("song (1).wav"))
        await teams.until(lambda: again.adapter._background == set())

    assert teams.onedrive.files == {"song.wav": [LONG.data]}
    assert [each.state for each in await kept(store)] == ["done"]
    assert len(teams.answers(chat)) == 2


async def test_a_file_that_could_not_be_kept_at_first_is_offered_at_the_next_try(
    teams: FakeTeams, bot: TeamsBot, store: Store, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "offer_upload", _locked)
        with pytest.raises(PostFailed):
            await offered(teams, bot, chat)
    heard = bot.notes.last

    await bot.adapter.post(heard.channel, Reply("Here:", (SONG,)), answers=heard.id, nonce=heard.id[-20:])

    assert [kind_of(each) for each in teams.answers(chat)] == ["", "consent"]


async def test_where_storage_fails_when_a_file_is_declined_that_is_written_down(
    teams: FakeTeams, bot: TeamsBot, store: Store, chat: Conversation, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, offer = await offered(teams, bot, chat)
    monkeypatch.setattr(store, "drop_upload", _locked)
    with capture_logs() as told:
        answered = await teams.consent(chat, ada, offer, None)
        await asyncio.sleep(0)

    assert answered.json == {}
    assert ("error", "what was begun in teams failed") in [(each["log_level"], each["event"]) for each in told]


async def _locked(*_: object, **__: object) -> None:
    raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))
