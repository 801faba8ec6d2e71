"""The web page on the wire: what a page sends arrives once and whole, and conversations can be kept in order."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import UserError
from bot.adapter import Gone
from bot.messages import Attachment, Channel, Reply
from storage import RoomMessage, Rooms
from tests.echo_host import Answering, PageServer, serving
from tests.page_visitor import PNG, Visitor, stream, visitor

ROOM = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PageServer]:
    async with serving(tmp_path / "parley") as server:
        yield server


@pytest.fixture
async def someone(server: PageServer) -> AsyncIterator[Visitor]:
    async with visitor(server) as someone:
        yield someone


async def asked(someone: Visitor, text: str = "Hello", room: str = ROOM) -> Answering:
    """Somebody asks; the answer is the test's to give."""
    status, _ = await someone.say(text, room=room)
    assert status == 202
    return await someone.server.answering()


async def test_what_a_person_sends_is_heard_with_all_that_belongs_to_it(someone: Visitor) -> None:
    message_id = str(uuid.uuid4())
    before = datetime.now(UTC)
    status, answer = await someone.say(
        "  What is **this**?\r\nA cat? ", room=ROOM, files=(("cat.png", "image/png", PNG),), message_id=message_id
    )
    assert status == 202
    assert answer["message"]["text"] == "What is **this**?\nA cat?"
    heard = await someone.server.host.asked()
    assert heard.id == message_id
    assert heard.channel == Channel("web", ROOM, kind="direct", name="What is **this**?")
    assert (heard.author.id, heard.author.moderator, heard.author.bot) == ("owner", True, False)
    assert heard.text == "What is **this**?\nA cat?"
    assert before <= heard.sent_at <= datetime.now(UTC)
    (picture,) = heard.attachments
    assert (picture.name, picture.media_type, picture.size, picture.data) == ("cat.png", "image/png", len(PNG), b"")
    assert await someone.server.adapter.read(heard.channel, picture, 100) == PNG


async def test_a_file_above_the_readers_limit_is_refused_with_a_sentence(someone: Visitor) -> None:
    await someone.say(room=ROOM, files=(("cat.png", "image/png", PNG),))
    heard = await someone.server.host.asked()
    with pytest.raises(UserError, match="too large"):
        await someone.server.adapter.read(heard.channel, heard.attachments[0], 10)
    with pytest.raises(UserError, match="not there any more"):
        await someone.server.adapter.read(heard.channel, Attachment("x", "image/png", source="web-0"), 100)


async def test_a_message_sent_twice_is_one_message(someone: Visitor) -> None:
    message_id = str(uuid.uuid4())
    for _ in range(3):
        status, _ = await someone.say("Once", room=ROOM, message_id=message_id, files=(("a.txt", "text/plain", b"a"),))
        assert status == 202
    assert [message.id for message in someone.server.host.messages] == [message_id]
    (shown,) = await someone.messages(ROOM)
    assert len(shown["files"]) == 1


async def test_a_message_that_was_stored_but_not_passed_on_is_passed_on_when_it_is_sent_again(
    someone: Visitor,
) -> None:
    # As after a crash between the two.
    message_id = str(uuid.uuid4())
    said = RoomMessage(message_id, ROOM, "user", "Are you there?", datetime.now(UTC), author="You")
    await Rooms(someone.server.store).say(said, (), title="Are you there?")
    assert (await someone.say("Are you there?", room=ROOM, message_id=message_id))[0] == 202
    assert (await someone.server.host.asked()).text == "Are you there?"


async def test_no_message_can_take_the_place_of_another(someone: Visitor) -> None:
    answering = await asked(someone)
    await answering.finish("The answer")
    assert (await someone.say("Mine", room=OTHER, message_id=answering.question.id))[0] == 409
    assert (await someone.say("Mine", room=ROOM, message_id=answering.id))[0] == 400
    assert [message["text"] for message in await someone.messages(ROOM)] == ["Hello", "The answer"]


@pytest.mark.parametrize(
    "message_id", ["", "x", "1" * 36, "../../../..", "6249A03D-5597-495A-AA6C-F8A5DA729F5E", "a" * 5000]
)
async def test_a_message_without_a_proper_id_is_refused(someone: Visitor, message_id: str) -> None:
    assert (await someone.say("Hello", room=ROOM, message_id=message_id))[0] == 400
    assert not someone.server.host.messages
    assert (await someone.get("/api/rooms"))["rooms"] == []


async def test_a_message_needs_words_or_files_and_not_too_many_words(someone: Visitor) -> None:
    assert (await someone.say("  \n ", room=ROOM))[0] == 400
    status, answer = await someone.say("x" * 32_001, room=ROOM)
    assert status == 413
    assert "32,000" in answer["error"]
    assert (await someone.say("é" * 32_000, room=ROOM))[0] == 202


async def test_text_that_nobody_could_see_or_store_is_cleaned(someone: Visitor) -> None:
    status, _ = await someone.say("a\x00b\u202ec\U000e0041d", room=ROOM)
    assert status == 202
    assert (await someone.messages(ROOM))[0]["text"] == "abcd"


async def test_a_room_that_is_not_there_is_made_only_on_purpose(someone: Visitor) -> None:
    assert (await someone.say("Hello", room=ROOM, new=False))[0] == 404
    assert (await someone.say("Hello", room="nowhere"))[0] == 404
    assert (await someone.say("Hello", room=ROOM, new=True))[0] == 202
    assert (await someone.say("Again", room=ROOM, new=False))[0] == 202


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Why is the sea salty?", "Why is the sea salty?"),
        ("\n\n## Why is\tthe sea salty?\nand so on", "Why is the sea salty?"),
        (
            "Explain to me slowly and in order how the tides come about",
            "Explain to me slowly and in order how the tides…",
        ),
        ("x" * 60, "x" * 48 + "…"),
        ("###", "Untitled"),
    ],
)
async def test_a_conversation_is_called_after_its_first_message(someone: Visitor, text: str, title: str) -> None:
    await someone.say(text, room=ROOM)
    assert (await someone.get("/api/rooms"))["rooms"][0]["title"] == title
    await someone.say("Something else", room=ROOM)
    assert (await someone.get("/api/rooms"))["rooms"][0]["title"] == title


async def test_a_conversation_that_begins_with_a_file_is_called_after_it(someone: Visitor) -> None:
    await someone.say(room=ROOM, files=(("cat.png", "image/png", PNG),))
    await someone.say(room=OTHER, files=(("plan.txt", "text/plain", b"one"),))
    assert [room["title"] for room in (await someone.get("/api/rooms"))["rooms"]] == ["plan.txt", "A picture"]


async def test_what_the_bot_does_not_take_is_not_left_standing(someone: Visitor) -> None:
    host = someone.server.host
    message_id = str(uuid.uuid4())
    async with stream(someone) as other:
        host.fails = UserError("I cannot take more questions now. Try again in a minute.")
        status, answer = await someone.say(
            "Hello", room=ROOM, message_id=message_id, files=(("a", "text/plain", b"a"),)
        )
        assert (status, answer["error"]) == (503, "I cannot take more questions now. Try again in a minute.")
        host.fails = RuntimeError("secret")
        status, answer = await someone.say("Hello", room=ROOM, message_id=message_id)
        assert status == 503
        assert "reference" in answer["error"]
        assert "secret" not in answer["error"]
        host.fails = None
        await someone.say("Elsewhere", room=OTHER)
        assert (await other.next())["room"]["id"] == OTHER  # of the message that was not taken, no page was told
    assert [room["id"] for room in (await someone.get("/api/rooms"))["rooms"]] == [OTHER]
    await host.asked()
    assert (await someone.say("Hello", room=ROOM, message_id=message_id))[0] == 202
    assert (await host.asked()).id == message_id


async def test_a_page_that_is_served_before_the_bot_is_there_says_so(tmp_path: Path) -> None:
    async with serving(tmp_path / "parley") as server, visitor(server) as someone:
        server.adapter._api.host = None
        status, answer = await someone.say("Hello", room=ROOM)
        assert status == 503
        assert "starting" in answer["error"]
        assert (await someone.get("/api/rooms"))["rooms"] == []


async def test_stop_reaches_the_bot(someone: Visitor) -> None:
    answering = await asked(someone)
    await answering.show("On and on")
    async with someone.http.post(f"/api/rooms/{ROOM}/stop", json={"message": answering.id}) as response:
        assert await response.json() == {"stopped": True}
    ((message_id, person),) = someone.server.host.stopped
    assert (message_id, person.id) == (answering.id, "owner")
    someone.server.host.can_stop = False
    async with someone.http.post(f"/api/rooms/{ROOM}/stop", json={"message": answering.id}) as response:
        assert await response.json() == {"stopped": False}
    async with someone.http.post(f"/api/rooms/{ROOM}/stop", json={"message": "<b>"}) as response:
        assert response.status == 400


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"x"', b'{"title": "   "}', b"{}"])
async def test_a_request_that_makes_no_sense_is_refused_with_a_sentence(someone: Visitor, body: bytes) -> None:
    await asked(someone)
    async with someone.http.patch(f"/api/rooms/{ROOM}", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]
    async with someone.http.patch(f"/api/rooms/{ROOM}", data=b" " * 70_000) as response:
        assert response.status == 413


async def test_a_conversation_can_be_renamed(someone: Visitor) -> None:
    await asked(someone)
    async with stream(someone) as page:
        async with someone.http.patch(f"/api/rooms/{ROOM}", json={"title": "  The\nsea  "}) as response:
            assert (await response.json())["title"] == "The sea"
        event = await page.until(lambda event: event["kind"] == "room")
    assert event["room"]["title"] == "The sea"
    async with someone.http.patch(f"/api/rooms/{OTHER}", json={"title": "x"}) as response:
        assert response.status == 404


async def test_a_deleted_conversation_is_forgotten_with_everything_in_it(someone: Visitor) -> None:
    await someone.say("Look", room=ROOM, files=(("cat.png", "image/png", PNG),))
    answering = await someone.server.answering()
    await answering.show("I am just")
    file = (await someone.messages(ROOM))[0]["files"][0]["id"]
    async with stream(someone) as page:
        async with someone.http.delete(f"/api/rooms/{ROOM}") as response:
            assert response.status == 200
        assert (await page.until(lambda event: event["kind"] == "removed"))["room"] == ROOM
    ((channel, ids),) = someone.server.host.removed
    assert (channel.platform, channel.id) == ("web", ROOM)
    assert ids == [answering.question.id, answering.id]
    assert (await someone.get("/api/rooms"))["rooms"] == []
    for path in (f"/api/files/{file}", f"/api/rooms/{ROOM}/messages"):
        async with someone.http.get(path) as response:
            assert response.status == 404
    with pytest.raises(Gone):
        await answering.show("I am just writing")
    with pytest.raises(Gone):
        await answering.finish("I have written")
    with pytest.raises(Gone):
        await someone.server.adapter.post(channel, Reply("x"), answers=ids[0], nonce="new")


async def test_the_conversation_used_last_comes_first(someone: Visitor) -> None:
    await someone.say("One", room=ROOM)
    await someone.say("Two", room=OTHER)
    answering = Answering(someone.server.adapter, someone.server.host.messages[0])
    await answering.finish("Later")
    assert [room["title"] for room in (await someone.get("/api/rooms"))["rooms"]] == ["One", "Two"]


async def test_a_long_conversation_is_shown_from_its_end_and_can_be_followed_back(someone: Visitor) -> None:
    rooms = Rooms(someone.server.store)
    ids = [str(uuid.uuid4()) for _ in range(130)]
    for number, message_id in enumerate(ids):
        said = RoomMessage(message_id, ROOM, "user", str(number), datetime.now(UTC))
        await rooms.say(said, (), title="Long")
    newest = await someone.get(f"/api/rooms/{ROOM}/messages")
    assert [message["id"] for message in newest["messages"]] == ids[70:]
    assert newest["more"]
    before = await someone.get(f"/api/rooms/{ROOM}/messages?before={ids[70]}")
    assert [message["id"] for message in before["messages"]] == ids[10:70]
    first = await someone.get(f"/api/rooms/{ROOM}/messages?before={ids[10]}")
    assert [message["id"] for message in first["messages"]] == ids[:10]
    assert not first["more"]


async def test_the_status_is_the_cores_and_the_page_does_without(someone: Visitor) -> None:
    status = await someone.get("/api/status")
    assert status["model"] == "gpt-test at 127.0.0.1"
    assert status["limits"] == {"files": 4, "file_bytes": 25 * 1024 * 1024, "characters": 32_000}
    someone.server.adapter.status = None
    status = await someone.get("/api/status")
    assert (status["model"], status["practice"], status["platforms"]) == ("", False, [])
