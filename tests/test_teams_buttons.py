"""What stands below an answer in Teams: buttons, thumbs, the label, sources; and what pressing them does."""

import asyncio
from typing import Any

import pytest

from bot.adapters.teams.addresses import Addresses
from bot.adapters.teams.entities import citations
from bot.adapters.teams.offered import Offered
from bot.messages import Button, Channel, Message, Reply
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.world import Shown
from tests.teams_bot import TeamsBot

ANSWERED = (Button("regenerate", "Regenerate"), Button("good", "👍"), Button("bad", "👎"))


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def group(teams: FakeTeams, ada: Person) -> Conversation:
    return teams.group("A group", ada, teams.person("Bob"))


async def heard_in(place: Conversation, teams: FakeTeams, bot: TeamsBot, ada: Person) -> Message:
    assert (await teams.say(place, ada, "hello")).status == 202
    return bot.notes.last


async def answer(bot: TeamsBot, heard: Message, reply: Reply) -> str:
    message_id = await bot.adapter.post(
        heard.channel, Reply("…", running=True, status=True), answers=heard.id, nonce="1"
    )
    await bot.adapter.edit(heard.channel, message_id, reply)
    return message_id


async def test_buttons_stand_below_the_answer_in_a_card_of_their_own(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await heard_in(group, teams, bot, ada)
    message_id = await answer(bot, heard, Reply("A fox.", buttons=(*ANSWERED, Button("ten", "Ten more"))))

    text, card = teams.answers(group)
    assert (text.id, text.text, text.by_ai) == (message_id, "A fox.", True)
    assert text.activity["channelData"] == {"feedbackLoop": {"type": "default"}}, "Teams has thumbs of its own"
    assert card.buttons == ["Regenerate", "Ten more"]
    assert {each["type"] for each in card.card["actions"]} == {"Action.Execute"}
    assert {each["fallback"]["type"] for each in card.card["actions"]} == {"Action.Submit"}


async def test_the_card_stays_one_however_often_the_answer_changes_and_goes_with_it(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await heard_in(group, teams, bot, ada)
    message_id = await answer(bot, heard, Reply("One.", buttons=ANSWERED))
    await bot.adapter.edit(heard.channel, message_id, Reply("…", running=True))
    await bot.adapter.edit(heard.channel, message_id, Reply("Two.", buttons=(Button("continue", "Continue"),)))
    assert [(each.text, each.buttons) for each in teams.answers(group)] == [("Two.", []), ("", ["Continue"])]

    await bot.adapter.edit(heard.channel, message_id, Reply("Three."))
    assert [each.text for each in teams.answers(group)] == ["Three."]

    await bot.adapter.edit(heard.channel, message_id, Reply("Four.", buttons=ANSWERED))
    await bot.adapter.remove(heard.channel, message_id)
    assert teams.answers(group) == []


async def test_after_a_restart_there_is_no_second_card(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    async with TeamsBot(teams, store) as bot:
        heard = await heard_in(group, teams, bot, ada)
        message_id = await answer(bot, heard, Reply("A fox.", buttons=ANSWERED))
    async with TeamsBot(teams, store) as bot:
        await bot.adapter.edit(heard.channel, message_id, Reply("A fox.", buttons=ANSWERED))

    assert [each.buttons for each in teams.answers(group)] == [[], ["Regenerate"]]


async def test_buttons_that_teams_refuses_cost_nobody_the_answer(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await heard_in(group, teams, bot, ada)
    message_id = await bot.adapter.post(heard.channel, Reply("…", running=True), answers=heard.id, nonce="1")
    teams.fail(400, method="POST")

    await bot.adapter.edit(heard.channel, message_id, Reply("A fox.", buttons=ANSWERED))

    assert [each.text for each in teams.answers(group)] == ["A fox."]


async def test_a_press_is_told_with_who_pressed_and_answered_in_the_call(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await heard_in(group, teams, bot, ada)
    message_id = await answer(bot, heard, Reply("A fox.", buttons=ANSWERED))
    bob, card = group.members[1], teams.answers(group)[1]
    bot.notes.says = "Only who asked, or a moderator, can do this."

    answered = await teams.press(group, bob, card, "Regenerate")
    bot.notes.says = ""
    again = await teams.press(group, ada, card, "Regenerate")

    (press, second) = bot.notes.presses
    assert (press.person.id, press.person.moderator) == (bob.aad, False)
    assert (press.message_id, press.action, press.channel) == (message_id, "regenerate", heard.channel)
    assert (second.person.id, second.id != press.id) == (ada.aad, True)
    assert answered.status == 200
    assert answered.json["statusCode"] == 200
    assert answered.json["type"] == "application/vnd.microsoft.activity.message"
    assert answered.json["value"] == "Only who asked, or a moderator, can do this."
    assert again.json["value"], "Teams shows nothing empty"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"action": None},
        {"action": {"data": "x"}},
        {"action": {"data": {"parley": 5}}},
        {"action": {"data": {"parley": {"action": 5}}}},
        {"action": {"data": {"parley": {"action": "x", "answer": ""}}}},
        [],
        "words",
        None,
    ],
    ids=str,
)
async def test_a_button_that_is_not_ours_does_nothing(
    value: Any, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    answered = await teams.invoke(group, ada, "adaptiveCard/action", value)

    assert answered.status == 200
    assert answered.json["statusCode"] == 400
    assert bot.notes.presses == []


async def test_an_old_client_sends_a_press_as_a_message(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await heard_in(group, teams, bot, ada)
    message_id = await answer(bot, heard, Reply("A fox.", buttons=ANSWERED))
    data = teams.answers(group)[1].card["actions"][0]["fallback"]["data"]
    bot.notes.says = "This is too old."

    sent = await teams.deliver(teams.activity(group, ada, value=data))

    assert sent.status == 200
    assert [(each.message_id, each.action) for each in bot.notes.presses] == [(message_id, "regenerate")]
    await teams.until(lambda: teams.answers(group)[-1].text == "This is too old.")
    assert len(bot.notes.heard_) == 1, "it is no question"


async def test_a_label_can_be_written_instead_of_pressed(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard = await heard_in(group, teams, bot, ada)
    message_id = await answer(bot, heard, Reply("A fox.", buttons=ANSWERED))

    await teams.say(group, ada, "regenerate!")

    assert [(each.message_id, each.action) for each in bot.notes.presses] == [(message_id, "regenerate")]


async def test_a_thumb_comes_with_its_reason(teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation) -> None:
    heard = await heard_in(group, teams, bot, ada)
    message_id = await answer(bot, heard, Reply("A fox.", buttons=ANSWERED))
    shown = teams.answers(group)[0]

    up = await teams.judge(group, ada, shown, "like")
    down = await teams.judge(group, ada, shown, "dislike", "too red")

    assert [(each.status, each.json) for each in (up, down)] == [(200, {})] * 2
    assert [(each.message_id, each.action, each.words) for each in bot.notes.presses] == [
        (message_id, "good", ""),
        (message_id, "bad", "too red"),
    ]


@pytest.mark.parametrize("value", [{}, {"actionName": "feedback"}, {"actionName": "feedback", "actionValue": 5}, []])
async def test_an_odd_thumb_is_taken_and_counts_nothing(
    value: Any, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    answered = await teams.invoke(group, ada, "message/submitAction", value, replyToId="5")

    assert (answered.status, answered.json) == (200, {})
    assert bot.notes.presses == []


async def test_a_client_that_asks_for_the_form_of_a_thumb_gets_one(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    asked = await teams.invoke(group, ada, "message/fetchTask", {"data": {"actionName": "feedback"}})

    card = asked.json["task"]["value"]["card"]["content"]
    assert [each["id"] for each in card["body"]] == ["feedbackText"]


@pytest.mark.parametrize("name", ["signin/tokenExchange", "application/search", "no/such", "constructor", "é" * 300])
async def test_what_nobody_asks_of_this_bot_is_declined_without_an_alarm(
    name: str, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = await teams.invoke(group, ada, name, {})

    assert answered.status == 501
    assert answered.json["error"]["code"] == "NotImplemented"
    assert "[error" not in capsys.readouterr().out


async def test_the_same_question_is_answered_anew_in_its_place_by_the_whole_bot(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    async with TeamsBot(teams, store, model=ScriptedModel("First.", "Second.")) as bot:
        await teams.say(group, ada, "Say something.")
        await bot.core.idle()  # type: ignore[union-attr]
        _, card = teams.answers(group)

        refused = await teams.press(group, group.members[1], card, "Regenerate")
        assert "Only who asked" in refused.json["value"]
        await teams.press(group, ada, card, "Regenerate")

        await teams.until(lambda: teams.answers(group)[0].text == "Second.")
        await bot.core.idle()  # type: ignore[union-attr]
        assert [each.buttons for each in teams.answers(group)] == [[], ["Regenerate"]]
        assert (await teams.judge(group, ada, teams.answers(group)[0], "dislike", "dull")).json == {}
        (judged,) = await _judgements(store)
        assert judged == (ada.aad, "bad", "dull")


async def _judgements(store: Store) -> list[tuple[str, str, str]]:
    from sqlalchemy import text

    def work(connection: Any) -> list[tuple[str, str, str]]:
        return [tuple(row) for row in connection.execute(text("select person, verdict, words from feedback"))]

    return await store.database.read(work)


def test_numbered_sources_become_citations() -> None:
    text = (
        "Foxes are red [1], mostly [2].\n\nSources:\n[1] On foxes (https://example.com/a)\n2. https://example.com/b\n"
    )
    found = citations(text)

    assert [(each["position"], each["appearance"]["name"], each["appearance"]["url"]) for each in found] == [
        (1, "On foxes", "https://example.com/a"),
        (2, "https://example.com/b", "https://example.com/b"),
    ]
    assert citations("1. see https://example.com/a") == [], "a list is no list of sources"


async def test_sources_and_sensitivity_are_shown_with_the_answer(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    text = "Red [1].\n\n" + "".join(f"[{n}] {'x' * 200} (https://example.com/{n})\n" for n in range(1, 30))
    async with TeamsBot(teams, store, teams_sensitivity="Internal: only for us") as bot:
        heard = await heard_in(group, teams, bot, ada)
        await answer(bot, heard, Reply(text))

    shown: Shown = teams.answers(group)[0]
    (label,) = shown.activity["entities"]
    assert [each["position"] for each in label["citation"]] == [1]
    assert label["usageInfo"]["name"] == "Internal"
    assert label["usageInfo"]["description"] == "only for us"


def test_what_is_sent_is_what_the_library_would_write() -> None:
    from botbuilder.schema import Activity, Attachment, ChannelAccount, Mention

    from bot.adapters.teams.cloud import FreeEntity, _plain

    activity = Activity(
        type="message",
        text="x",
        from_property=ChannelAccount(id="1", name="n", role="bot"),
        attachments=[Attachment(content_type="a/b", content={"k": [1, {"z": None}]})],
        channel_data={"feedbackLoop": {"type": "default"}},
        entities=[FreeEntity(type="t", additional_properties={"@type": "Message", "l": ["x"]}), Mention(text="m")],
    )

    assert _plain(activity) == activity.serialize()


async def test_what_is_shown_while_storage_is_asked_for_the_newest_answer_is_the_newest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered, channel, go_on = (
        Offered(store, Addresses(store, 30)),
        Channel("teams", "19:x", "t", "group"),
        asyncio.Event(),
    )

    async def slowly(_key: object) -> None:
        await go_on.wait()

    monkeypatch.setattr(store, "newest_given", slowly)
    asking = asyncio.create_task(offered.newest(channel))
    await asyncio.sleep(0)
    await offered.show(channel, "m1", Reply("Yes.", buttons=(Button("regenerate", "Regenerate"),)))
    go_on.set()

    assert await asking == "m1"
    assert await offered.newest(channel) == "m1"
