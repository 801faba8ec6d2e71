"""Answers on the web page, on the wire: every open page sees them grow, and nothing is missed or left hanging."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.adapter import Gone
from bot.adapters.web import transcript
from bot.adapters.web.events import Events
from bot.adapters.web.transcript import INTERRUPTED
from bot.messages import Attachment, Reply
from storage import Rooms
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


async def test_a_very_long_answer_does_not_hold_up_the_others(someone: Visitor) -> None:
    # One paragraph, so that all of it is drawn again each time.
    async with stream(someone) as page:
        answering = await asked(someone)
        text = "many words and **bold** ones " * 2500
        worst = 0.0

        async def watch() -> None:
            nonlocal worst
            while True:
                before = time.thread_time()  # of the event loop alone, however busy the machine is
                await asyncio.sleep(0.005)
                worst = max(worst, time.thread_time() - before)

        watching = asyncio.create_task(watch())
        for end in range(1000, len(text), 1000):
            await answering.show(text[:end])
        await answering.finish(text)
        watching.cancel()
        await page.until(lambda event: event["kind"] == "edit" and not event["running"])
        assert "".join(page.blocks[answering.id]).count("<strong>") == 2500
        assert worst < 0.3
        assert len(page.events) < 60  # most steps of it were not worth drawing


async def test_what_is_unfinished_is_shown_and_never_kept(someone: Visitor) -> None:
    answering = await asked(someone, "Draw a fox")
    kept = someone.server.store.file
    ids = []
    async with stream(someone) as page:
        await answering.show("Drawing…", status=True)
        event = await page.until(lambda event: event["kind"] == "message")
        assert (event["message"]["status"], event["message"]["text"]) == ("Drawing…", "")
        for number in range(2):
            draft = Attachment(f"draft-{number}.png", "image/png", PNG + bytes([number]))
            await answering.show("Drawing…", draft, status=True)
            event = await page.until(lambda event: event["kind"] == "edit")
            (file,) = event["files"]
            ids.append(file["id"])
            async with someone.http.get(f"/api/files/{file['id']}") as response:
                assert await response.read() == draft.data
        assert [file["id"] for file in (await someone.messages(ROOM))[-1]["files"]] == ids[-1:]
        await answering.finish("", Attachment("fox.png", "image/png", PNG + b"fox"))
        event = await page.until(lambda event: event["kind"] == "edit" and not event["running"])
    for file_id in ids:
        assert await kept(file_id) is None
        async with someone.http.get(f"/api/files/{file_id}") as response:
            assert response.status == 404
    assert (await kept(event["files"][0]["id"])) is not None


async def test_the_files_of_an_answer_that_was_given_anew_are_gone(someone: Visitor) -> None:
    answering = await asked(someone, "Draw a fox")
    await answering.finish("Here", Attachment("fox.png", "image/png", PNG + b"1"))
    (old,) = (await someone.messages(ROOM))[-1]["files"]
    await answering.finish("Here", Attachment("fox.png", "image/png", PNG + b"2"))
    (new,) = (await someone.messages(ROOM))[-1]["files"]
    assert await someone.server.store.file(old["id"]) is None
    assert await someone.server.store.file(new["id"]) is not None
