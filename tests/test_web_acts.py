"""Buttons, replies, commands and settings of the page, on the wire: what the core is asked, and what is refused."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bot import Field, Request, UserError
from bot.adapters.web.forms import form_facts, known_fields, mistakes
from bot.forms import fill, form_of
from bot.messages import Attachment, Button, Channel, Message
from tests.echo_host import Answering, PageServer, serving
from tests.page_bot import Harbour, PageBot, bot_page
from tests.page_visitor import PNG, Visitor, stream, visitor

ROOM = "00000000-0000-4000-8000-000000000001"
OTHER = "00000000-0000-4000-8000-000000000002"
BUTTONS = (
    Button("stop", "Stop"),
    Button("more", "More", request={"secret": 1}),
    Button("good", "👍"),
    Button("bad", "👎"),
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PageServer]:
    async with serving(tmp_path / "parley") as server:
        yield server


@pytest.fixture
async def someone(server: PageServer) -> AsyncIterator[Visitor]:
    async with visitor(server) as someone:
        yield someone


async def answered(someone: Visitor, text: str = "Hello", room: str = ROOM) -> Answering:
    """Somebody asked, and got an answer with buttons."""
    status, _ = await someone.say(text, room=room)
    assert status == 202
    answering = await someone.server.answering()
    await answering.finish("**Here** it is", Attachment("a.png", "image/png", PNG, alt="A dot"), buttons=BUTTONS)
    return answering


async def press(someone: Visitor, room: str = ROOM, **press: Any) -> tuple[int, dict[str, Any]]:
    body = {"id": str(uuid.uuid4()), "action": "more", **press}
    async with someone.http.post(f"/api/rooms/{room}/press", json=body) as response:
        return response.status, await response.json()


async def test_a_press_reaches_the_bot_and_its_word_the_person(someone: Visitor) -> None:
    answering = await answered(someone)
    someone.server.host.says = "Not now."
    assert await press(someone, message=answering.id) == (200, {"said": "Not now."})
    heard = await someone.server.host.press()
    assert (heard.message_id, heard.action, heard.channel.id, heard.person.moderator) == (
        answering.id,
        "more",
        ROOM,
        True,
    )


async def test_the_page_is_told_what_buttons_are_called_and_not_what_they_ask(someone: Visitor) -> None:
    await answered(someone)
    assert (await someone.messages(ROOM))[-1]["buttons"] == [
        {"action": "more", "label": "More"},
        {"action": "good", "label": "👍"},
        {"action": "bad", "label": "👎"},
    ]


async def test_a_thumb_stays_down_on_every_page(someone: Visitor) -> None:
    answering = await answered(someone)
    async with stream(someone) as page:
        await press(someone, message=answering.id, action="bad", words="wrong")
        event = await page.until(lambda event: event["kind"] == "buttons")
        assert {each["action"]: each.get("pressed") for each in event["buttons"]} == {
            "more": None,
            "good": False,
            "bad": True,
        }
    assert (await someone.server.host.press()).words == "wrong"
    assert (await someone.messages(ROOM))[-1]["buttons"] == event["buttons"]


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"id": "1"}, 400),
        ({"message": "../x"}, 400),
        ({"message": "a-nothing"}, 404),
        ({"action": "never"}, 409),
        ({"room": OTHER}, 404),
    ],
)
async def test_a_press_that_makes_no_sense_is_refused_with_a_sentence(
    someone: Visitor, wrong: dict[str, Any], status: int
) -> None:
    answering = await answered(someone)
    got, answer = await press(someone, **{"message": answering.id, **wrong})
    assert got == status
    assert answer["error"].endswith(".")
    assert someone.server.host.pressing == []


async def test_a_press_that_fails_says_so(someone: Visitor) -> None:
    answering = await answered(someone)
    someone.server.host.fails = UserError("The disk is full.")
    assert await press(someone, message=answering.id) == (503, {"error": "The disk is full."})


async def test_a_reply_carries_what_it_replies_to_and_what_that_replied_to(someone: Visitor) -> None:
    answering = await answered(someone, "Draw a dot")
    async with stream(someone) as page:
        status, sent = await someone.say("bigger", room=ROOM, reply=answering.id)
        assert status == 202
        told = await page.until(lambda event: event["kind"] == "message")
    quote = (await someone.server.host.asked()).quote
    assert quote is not None
    assert quote.author is not None
    assert (quote.id, quote.text, quote.author.bot) == (answering.id, "**Here** it is", True)
    (dot,) = quote.attachments
    assert (dot.name, dot.media_type, dot.alt) == ("a.png", "image/png", "A dot")
    assert await someone.server.adapter.read(answering.question.channel, dot, 1000) == PNG
    assert [(each.text, each.author and each.author.id) for each in quote.earlier] == [("Draw a dot", "owner")]
    shown = (await someone.messages(ROOM))[-1]["replies"]
    assert (shown["id"], shown["role"], shown["text"], shown["file"]["name"]) == (
        answering.id,
        "assistant",
        "Here it is",
        "a.png",
    )
    assert told["message"]["replies"] == sent["message"]["replies"] == shown


async def test_a_reply_to_what_is_gone_or_elsewhere_is_refused(someone: Visitor) -> None:
    answering = await answered(someone)
    for reply, room in (("a-gone", ROOM), (answering.id, OTHER)):
        status, answer = await someone.say("bigger", room=room, reply=reply)
        assert status == 404
        assert "Send yours without replying" in answer["error"]


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Visitor]:
    """The owner of a page that has a whole bot behind it."""
    async with bot_page(tmp_path / "bot") as bot, visitor(bot) as owner:
        yield owner


async def choose(owner: Visitor, **asked: Any) -> tuple[int, dict[str, Any]]:
    async with owner.http.put("/api/settings", json=asked) as response:
        return response.status, await response.json()


async def test_what_can_be_called_is_told_with_what_it_asks_for(owner: Visitor) -> None:
    paint = (await owner.get("/api/commands"))["commands"][1]
    assert (paint["name"], paint["help"], paint["request"]["words"]) == (
        "paint",
        "Paint a picture in one colour.",
        "colour",
    )
    assert paint["request"]["fields"][1] == {
        "name": "size",
        "kind": "choice",
        "description": "The shape of the picture",
        "required": False,
        "default": "any",
        "choices": ["any", "wide", "tall"],
        "least": None,
        "most": None,
    }


async def test_a_command_is_heard_as_what_was_filled_in_and_reads_as_one_would_write_it(owner: Visitor) -> None:
    heard: list[Message] = []
    bot = owner.server
    assert isinstance(bot, PageBot)

    async def hear(message: Message) -> bool:
        heard.append(message)
        return True

    bot.dispatch.heard = hear  # type: ignore[method-assign]
    status, answer = await owner.say(
        "dark teal", room=ROOM, skill="paint", request='{"size": "wide", "count": 2, "evil": {"a": 1}}'
    )
    assert status == 202
    assert answer["message"]["text"] == heard[0].text == "/paint size=wide count=2 dark teal"
    assert heard[0].skill == "paint"
    assert heard[0].request == {"colour": "dark teal", "size": "wide", "count": 2, "frame": False}


@pytest.mark.parametrize(
    "fields", [{"skill": "never"}, {"skill": "paint", "request": "[]"}, {"skill": "paint", "request": "{"}]
)
async def test_a_command_that_makes_no_sense_is_refused(owner: Visitor, fields: dict[str, str]) -> None:
    status, answer = await owner.say("teal", room=ROOM, **fields)
    assert status == 400
    assert "Load the page again" in answer["error"]


async def test_settings_are_kept_and_a_mistake_is_told_at_its_field(owner: Visitor) -> None:
    whose = {"enabled": True, "who": "everybody", "besides": ""}
    values = whose | {"most": 3, "house": "plain", "kind": True, "rules": ""}
    origins = {name: "community" if name == "most" else "default" for name in values}
    assert await choose(owner, room="", topic="paint", chosen={"most": 3}) == (
        200,
        {"values": values, "origins": origins},
    )
    await choose(owner, room=ROOM, topic="paint", chosen={"house": "framed", "enabled": False})
    for room, house, enabled in (("", "plain", True), (ROOM, "framed", False), (OTHER, "plain", True)):
        paint = (await owner.get(f"/api/settings?room={room}"))["topics"][1]
        values = paint["values"]
        assert (values["most"], values["house"], values["enabled"]) == (3, house, enabled)
    status, answer = await choose(owner, room="", topic="paint", chosen={"most": 9, "house": "none"})
    assert status == 422
    assert answer == {
        "error": "",
        "fields": {
            "most": "“most” has to be a whole number from 1 to 4.",
            "house": "“house” can be plain, framed.",
        },
    }


async def test_what_was_set_for_one_conversation_is_taken_back_to_what_goes_for_all(owner: Visitor) -> None:
    await choose(owner, room="", topic="paint", chosen={"most": 3})
    _, here = await choose(owner, room=ROOM, topic="paint", chosen={"most": 1, "house": "framed"})
    assert (here["values"]["most"], here["origins"]["most"], here["origins"]["house"]) == (1, "here", "here")
    _, here = await choose(owner, room=ROOM, topic="paint", reset=["most"])
    assert (here["values"]["most"], here["origins"]["most"], here["origins"]["house"]) == (3, "community", "here")
    await choose(owner, room="", topic="paint", reset=["most", "enabled"])
    _, here = await choose(owner, room=ROOM, topic="paint", reset=["house"])
    assert (here["values"]["most"], set(here["origins"].values())) == (2, {"default"})


async def test_limits_are_set_beside_the_skills_and_nobody_can_call_them(owner: Visitor) -> None:
    (limits,) = [each for each in (await owner.get("/api/settings?room="))["topics"] if each["name"] == "@limits"]
    assert (limits["title"], limits["help"]) == ("limits", "Limits and models here")
    assert "enabled" not in limits["values"]
    status, now = await choose(owner, room=ROOM, topic="@limits", chosen={"turns_per_day": 5})
    assert (status, now["values"]["turns_per_day"], now["origins"]["turns_per_day"]) == (200, 5, "here")
    status, answer = await choose(owner, room=ROOM, topic="@limits", chosen={"turns_per_day": -1})
    assert (status, answer["fields"]) == (422, {"turns_per_day": "“turns_per_day” has to be a whole number from 0."})
    assert "@limits" not in [each["name"] for each in (await owner.get("/api/commands"))["commands"]]


async def test_whoever_runs_the_bot_sets_things_in_every_community_it_is_in(tmp_path: Path) -> None:
    async with bot_page(tmp_path / "bot", elsewhere=Harbour) as bot, visitor(bot) as owner:
        assert (await owner.get("/api/communities"))["communities"] == [
            {
                "platform": "discord",
                "tenant": "harbour",
                "name": "The Harbour",
                "channels": [{"id": "1", "name": "#general"}, {"id": "2", "name": "#art"}],
                "roles": [{"id": "77", "name": "painters"}, {"id": "78", "name": "sailors"}],
            },
            {"platform": "discord", "tenant": "", "name": "Private", "channels": [], "roles": []},
        ]
        harbour = {"platform": "discord", "tenant": "harbour"}
        await choose(owner, **harbour, topic="paint", chosen={"most": 3, "who": "moderators"})
        _, art = await choose(owner, **harbour, channel="2", topic="paint", chosen={"most": 1})
        assert (art["values"]["most"], art["origins"]["most"], art["origins"]["who"]) == (1, "here", "community")
        general = Channel("discord", "1", "harbour")
        assert (await bot.dispatch.choices(general))["paint"]["most"] == 3
        thread = Channel("discord", "9", "harbour", "thread", parent="2")
        assert (await bot.dispatch.choices(thread))["paint"]["most"] == 1
        elsewhere = (await owner.get("/api/settings?platform=discord"))["topics"]
        assert {each["name"]: each["origins"].get("most") for each in elsewhere}["paint"] == "default"
        for nowhere in ({**harbour, "channel": "3"}, {"platform": "discord", "tenant": "x"}, {"platform": "teams"}):
            status, answer = await choose(owner, **nowhere, topic="paint", chosen={"most": 1})
            assert (status, answer["error"]) == (404, "I am not there any more. Load the page again.")


async def test_settings_that_make_no_sense_are_refused(owner: Visitor) -> None:
    assert (await choose(owner, topic="never", chosen={}))[0] == 400
    assert (await choose(owner, topic="paint", chosen=[]))[0] == 400
    assert (await choose(owner, topic="paint", reset="most"))[0] == 400
    assert (await choose(owner, room="../x", topic="paint", chosen={}))[0] == 404


def test_a_form_reads_back_what_it_can_hold_and_tells_whose_mistake_each_is() -> None:
    class Held(Request):
        least: int | None = Field(None, ge=0, description="How few")
        words: str = Field(..., description="What to say")

    form = form_of(Held)
    assert form_facts(form)["words"] == "words"
    given = {"least": None, "words": "a\x00b\u202e", "other": 1, "list": [1]}
    assert known_fields(form, given) == {"least": None, "words": "ab"}
    with pytest.raises(UserError) as told:
        fill(Held, given={"least": -1, "none": 2})
    assert mistakes(told.value, form) == {
        "least": "“least” has to be a whole number from 0.",
        "words": "Please say what “words” should be: What to say.",
        "": "There is no option “none” here.",
    }


async def test_nothing_is_left_of_a_deleted_conversation_not_even_what_was_pressed_in_it(owner: Visitor) -> None:
    bot = owner.server
    assert isinstance(bot, PageBot)
    await owner.say("paint teal", room=ROOM)
    await bot.dispatch.idle()
    await press(owner, message=(await owner.messages(ROOM))[-1]["id"], action="again")
    await bot.dispatch.idle()
    key = ("web", "", ROOM)
    assert [line.text for line in await bot.store.history(key, 10)][2] == "[pressed] orange"
    async with owner.http.delete(f"/api/rooms/{ROOM}") as response:
        assert response.status == 200
    assert await bot.store.history(key, 10) == []
