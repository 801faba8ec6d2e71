"""The web page on the wire: what a page sends arrives once, what the bot says is shown, and nothing is missed."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import UserError
from bot.adapter import Gone
from bot.adapters.web import transcript
from bot.adapters.web.events import Events
from bot.adapters.web.transcript import INTERRUPTED
from bot.messages import Attachment, Channel, Reply
from storage import RoomMessage, Rooms
from tests.echo_host import Answering, PageServer, serving
from tests.page_visitor import PNG, Visitor, eventually, stream, visitor

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


async def test_an_open_page_sees_an_answer_grow_to_its_end(someone: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcript, "_IDLE", 0)  # every step is drawn, however quickly they follow each other
    text = "# Why\n\nBecause **rain** is sour.\n\n- one\n- two\n\n```py\nx = 1\n```\n\nDone."
    async with stream(someone) as page:
        answering = await asked(someone)
        await someone.server.adapter.typing(answering.question.channel)
        assert (await page.until(lambda event: event["kind"] == "typing"))["room"] == ROOM
        await answering.show(text[:5])
        await page.until(lambda event: event["kind"] == "message")
        sizes = []
        for end in range(12, len(text), 7):
            await answering.show(text[:end])
            assert (await page.until(lambda event: event["kind"] == "edit"))["running"]
            sizes.append(len(re.sub(r"<[^>]*>|\s", "", "".join(page.blocks[answering.id]))))
        await answering.finish(text, footer="Answered by a test")
        last = await page.until(lambda event: event["kind"] == "edit" and not event["running"])
    assert len(sizes) > 5
    assert sizes == sorted(sizes)
    assert last["text"] == text
    assert last["footer"] == "Answered by a test"
    shown = (await someone.messages(ROOM))[-1]
    assert page.blocks[answering.id] == shown["blocks"]
    assert shown["answers"] == answering.question.id
    assert not shown["running"]


async def test_a_page_that_loads_while_an_answer_grows_sees_the_same(someone: Visitor) -> None:
    async with stream(someone) as first:
        answering = await asked(someone)
        await answering.show("One.\n\nTwo")
        async with stream(someone) as second:
            loaded = await someone.messages(ROOM)
            second.blocks[answering.id] = list(loaded[-1]["blocks"])
            assert loaded[-1]["running"]
            await answering.show("One.\n\nTwo.\n\nThr")
            await answering.show("One.\n\nTwo.\n\nThree.\n\nFour")
            await answering.finish("One.\n\nTwo.\n\nThree.\n\nFour.")
            for page in (first, second):
                await page.until(lambda event: event["kind"] == "edit" and not event["running"])
        assert first.blocks == second.blocks
        assert first.blocks[answering.id] == (await someone.messages(ROOM))[-1]["blocks"]


async def test_a_page_that_was_away_is_told_exactly_what_it_missed(someone: Visitor) -> None:
    async with stream(someone), stream(someone) as page:  # another page stays, so that there is something to tell
        answering = await asked(someone)
        await answering.show("One.\n\nTw")
        await page.until(lambda event: event["kind"] == "message" and event["message"]["role"] == "assistant")
        place, blocks = page.place, page.blocks
        await page.socket.close()
        await answering.show("One.\n\nTwo.\n\nTh")
        await someone.say("Meanwhile", room=OTHER)
        await answering.finish("One.\n\nTwo.\n\nThree.")
        async with stream(someone, after=place) as back:
            assert not back.hello["afresh"]
            back.blocks = blocks
            kinds = [(await back.next())["kind"] for _ in range(4)]
            assert kinds == ["edit", "room", "message", "edit"]
            assert back.blocks[answering.id] == (await someone.messages(ROOM))[-1]["blocks"]
            numbers = [event["number"] for event in back.events]
            assert numbers == list(range(numbers[0], numbers[0] + 4))


async def test_a_page_that_cannot_be_told_what_it_missed_loads_afresh(someone: Visitor) -> None:
    async with stream(someone) as page:
        place = page.place
        assert page.hello["afresh"]  # it has never loaded
    answering = await asked(someone)  # seen by nobody
    await answering.show("Half")
    await answering.finish("Whole")
    for after in (place, "elsewhere.3", "x", f"{place.partition('.')[0]}.999999"):
        async with stream(someone, after=after) as page:
            assert page.hello["afresh"], after
    assert [message["text"] for message in await someone.messages(ROOM)] == ["Hello", "Whole"]


async def test_a_page_that_does_not_keep_up_is_sent_away_and_the_others_are_not() -> None:
    events = Events()
    slow, quick = events.listen(""), events.listen("")
    told = []
    for number in range(3000):
        events.tell("edit", text=str(number))
        while not quick.queue.empty():
            told.append(quick.queue.get_nowait())
    assert len(told) == 3001
    waiting = [slow.queue.get_nowait() for _ in range(slow.queue.qsize())]
    assert waiting[-1] is None
    assert events.watched


def test_what_is_kept_for_pages_that_come_back_is_bounded() -> None:
    events = Events()
    events.listen("")
    place = events.place
    for _ in range(50):
        events.tell("edit", text="x" * 200_000)
    assert events._size < 4.3 * 1024 * 1024
    assert json.loads(events.listen(place).queue.get_nowait() or "")["afresh"]


async def test_a_growing_answer_is_kept_now_and_then_and_its_end_always(someone: Visitor) -> None:
    rooms = Rooms(someone.server.store)
    answering = await asked(someone)
    await answering.show("a")
    for length in range(2, 30):
        await answering.show("a" * length)
    kept = await rooms.message(answering.id)
    assert kept is not None
    assert kept.text == "a"  # less than a second has passed
    assert (await someone.messages(ROOM))[-1]["text"] == "a" * 29  # but a page that loads sees all of it
    await answering.finish("a" * 30)
    kept = await rooms.message(answering.id)
    assert kept is not None
    assert (kept.text, kept.running) == ("a" * 30, False)


async def test_the_same_post_made_twice_is_shown_once(someone: Visitor) -> None:
    answering = await asked(someone)
    adapter, channel = someone.server.adapter, answering.question.channel
    picture = Attachment("fox.png", "image/png", PNG, alt="A fox")
    ids = {
        await adapter.post(channel, Reply("Here", (picture,)), answers=answering.question.id, nonce="n1")
        for _ in range(3)
    }
    assert len(ids) == 1
    other = await adapter.post(channel, Reply("More"), answers=answering.question.id, nonce="n2")
    assert other not in ids
    shown = await someone.messages(ROOM)
    assert [message["text"] for message in shown] == ["Hello", "Here", "More"]
    assert [file["alt"] for file in shown[1]["files"]] == ["A fox"]


async def test_an_answer_can_be_taken_away(someone: Visitor) -> None:
    answering = await asked(someone)
    await answering.show("Hm")
    async with stream(someone) as page:
        await someone.server.adapter.remove(answering.question.channel, answering.id)
        assert (await page.until(lambda event: event["kind"] == "withdrawn"))["id"] == answering.id
    assert len(await someone.messages(ROOM)) == 1
    with pytest.raises(Gone):
        await answering.show("Hm?")


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
    async with someone.http.patch(f"/api/rooms/{ROOM}", data=b" " * 20_000) as response:
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


async def test_nothing_is_left_running_by_a_process_that_is_gone(tmp_path: Path) -> None:
    async with serving(tmp_path / "parley") as server, visitor(server) as someone:
        half = await asked(someone, "One")
        await half.show("Half an ans")
        nothing = await asked(someone, "Two")
        await nothing._show(Reply("", running=True))
        taken_up = await asked(someone, "Three")
        await taken_up.show("I will be back")
    server = PageServer(tmp_path / "parley")
    await server.start()
    try:
        async with visitor(server) as someone:

            async def settled() -> bool:
                return not any(message["running"] for message in await someone.messages(ROOM))

            await eventually(settled)
            # The core takes an answer up again.
            await server.adapter.edit(half.question.channel, taken_up.id, Reply("I am back", running=True))
            shown = {message["id"]: message for message in await someone.messages(ROOM)}
            assert (shown[half.id]["text"], shown[half.id]["running"]) == ("Half an ans", False)
            assert (shown[nothing.id]["text"], shown[nothing.id]["running"]) == (INTERRUPTED, False)
            assert (shown[taken_up.id]["text"], shown[taken_up.id]["running"]) == ("I am back", True)
            await server.adapter.edit(half.question.channel, taken_up.id, Reply("I have been back"))
            assert (await someone.messages(ROOM))[-1]["text"] == "I have been back"
    finally:
        await server.stop()


async def test_an_answer_taken_up_before_the_page_runs_stays_running(tmp_path: Path) -> None:
    async with serving(tmp_path / "parley") as server, visitor(server) as someone:
        resumed, left = await asked(someone, "One"), await asked(someone, "Two")
        await resumed.show("Half")
        await left.show("Half")
    server = PageServer(tmp_path / "parley")
    await server.start(listening=False)
    try:
        await server.adapter.edit(resumed.question.channel, resumed.id, Reply("Half and", running=True))
        await server.run()
        async with visitor(server) as someone:

            async def settled() -> bool:
                shown = {message["id"]: message["running"] for message in await someone.messages(ROOM)}
                return shown[resumed.id] and not shown[left.id]

            await eventually(settled)
    finally:
        await server.stop()


async def test_open_pages_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "parley") as server,
        visitor(server) as someone,
        stream(someone) as first,
        stream(someone) as second,
    ):
        started = time.monotonic()
        await server.stop_listening()
        for page in (first, second):
            message = await asyncio.wait_for(page.socket.receive(), 5)
            assert message.data == 1001  # going away
        await server._runner.cleanup()
        assert time.monotonic() - started < 2


async def test_only_so_many_pages_can_be_open(someone: Visitor) -> None:
    events = someone.server.adapter._events
    listeners = [events.listen("") for _ in range(64)]
    async with someone.http.get(
        "/api/events", headers={"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    ) as response:
        assert response.status == 503
        assert "Too many pages" in (await response.json())["error"]
    for listener in listeners:
        events.leave(listener)


async def test_the_status_is_the_cores_and_the_page_does_without(someone: Visitor) -> None:
    status = await someone.get("/api/status")
    assert status["model"] == "gpt-test at 127.0.0.1"
    assert status["limits"] == {"files": 4, "file_bytes": 25 * 1024 * 1024, "characters": 32_000}
    someone.server.adapter.status = None
    status = await someone.get("/api/status")
    assert (status["model"], status["practice"], status["platforms"]) == ("", False, [])


async def test_a_very_long_answer_does_not_hold_up_the_others(someone: Visitor) -> None:
    # One paragraph, so that all of it is drawn again each time.
    async with stream(someone) as page:
        answering = await asked(someone)
        text = "many words and **bold** ones " * 2500
        worst = 0.0

        async def watch() -> None:
            nonlocal worst
            while True:
                before = time.monotonic()
                await asyncio.sleep(0.005)
                worst = max(worst, time.monotonic() - before)

        watching = asyncio.create_task(watch())
        for end in range(1000, len(text), 1000):
            await answering.show(text[:end])
        await answering.finish(text)
        watching.cancel()
        await page.until(lambda event: event["kind"] == "edit" and not event["running"])
        assert "".join(page.blocks[answering.id]).count("<strong>") == 2500
        assert worst < 0.5
        assert len(page.events) < 60  # most steps of it were not worth drawing
