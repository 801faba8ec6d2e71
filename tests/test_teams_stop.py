"""Ending an answer in Teams where Teams has no button for it: a card that comes with time, and goes with the answer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.adapters.teams import stops
from bot.messages import Button, Message, Reply
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.teams_bot import Slow, TeamsBot

STOP = (Button("stop", "Stop"),)
AGAIN = (Button("regenerate", "Regenerate"), Button("good", "👍"), Button("bad", "👎"))
SENDS = "/conversations/"


@pytest.fixture
async def teams() -> AsyncIterator[FakeTeams]:
    async with FakeTeams() as teams:
        yield teams
        assert teams.leaks == []
        assert teams.throttled == 0


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes this long has taken long enough."""
    monkeypatch.setattr(stops, "_AFTER", 0.05)
    monkeypatch.setattr(stops, "_AGAIN", 0.05)


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def group(teams: FakeTeams, ada: Person) -> Conversation:
    return teams.group("A group", ada, teams.person("Bob"))


async def begin(teams: FakeTeams, bot: TeamsBot, place: Conversation, person: Person) -> tuple[Message, str]:
    """A question, and the first sign of its answer."""
    assert (await teams.say(place, person, "tell me of foxes")).status == 202
    heard = bot.notes.last
    running = Reply("Foxes", buttons=STOP, running=True)
    return heard, await bot.adapter.post(heard.channel, running, answers=heard.id, nonce=heard.id)


def buttons(teams: FakeTeams, place: Conversation) -> list[list[str]]:
    return [each.buttons for each in teams.answers(place)]


async def stop_shown(teams: FakeTeams, place: Conversation) -> None:
    await teams.until(lambda: buttons(teams, place)[-1:] == [["Stop"]])


async def test_a_short_answer_costs_no_button(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red.", buttons=AGAIN))

    assert [call.method for call in teams.calls if SENDS in call.path] == ["POST", "PUT", "POST"]
    assert buttons(teams, group) == [[], ["Regenerate"]]


@pytest.mark.usefixtures("soon")
async def test_a_long_one_can_be_stopped_and_the_same_card_then_offers_what_comes_after(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    await stop_shown(teams, group)
    card = teams.answers(group)[-1]
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are", buttons=STOP, running=True))
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red.", buttons=AGAIN))

    assert [(each.id, each.text, each.buttons) for each in teams.answers(group)] == [
        (message_id, "Foxes are red.", []),
        (card.id, "", ["Regenerate"]),
    ]


@pytest.mark.usefixtures("soon")
async def test_where_nothing_is_offered_afterwards_the_button_just_goes(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    await stop_shown(teams, group)

    await bot.adapter.edit(heard.channel, message_id, Reply("I could not."))

    assert [each.text for each in teams.answers(group)] == ["I could not."]


@pytest.mark.usefixtures("soon")
async def test_who_asked_stops_it_and_nobody_else_but_an_owner(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    bob, grace = group.members[1], teams.person("Grace")
    teams.graph.owners[f"chats/{group.id}"] = {grace.aad}
    async with TeamsBot(teams, store, model=Slow()) as bot:
        assert bot.core is not None
        for who in (ada, grace):
            await teams.say(group, ada, "Tell me of foxes.")
            await stop_shown(teams, group)
            text, card = teams.answers(group)[-2:]

            refused = await teams.press(group, bob, card, "Stop")
            stopped = await teams.press(group, who, card, "Stop")
            await bot.core.idle()

            assert "Only who asked" in refused.json["value"]
            assert stopped.json == {
                "statusCode": 200,
                "type": "application/vnd.microsoft.activity.message",
                "value": "I have stopped.",
            }
            assert stopped.seconds < 5
            assert text.text == "Foxes are\n\n_Stopped._"
            assert [each.id for each in teams.answers(group)][-1] == text.id, "nothing is left to be pressed"


@pytest.mark.usefixtures("soon")
async def test_an_answer_that_is_given_anew_has_the_button_in_the_place_of_its_own(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    model = Slow()
    async with TeamsBot(teams, store, model=model) as bot:
        assert bot.core is not None
        model.go.set()
        await teams.say(group, ada, "Tell me of foxes.")
        await bot.core.idle()
        model.go.clear()
        (text, card) = teams.answers(group)

        await teams.press(group, ada, card, "Regenerate")
        await teams.until(lambda: card.buttons == ["Stop"])
        model.go.set()
        await bot.core.idle()

        assert [(each.id, each.buttons) for each in teams.answers(group)] == [(text.id, []), (card.id, ["Regenerate"])]


@pytest.mark.usefixtures("soon")
async def test_after_a_crash_no_dead_button_is_left(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    async with TeamsBot(teams, store) as bot:
        heard, message_id = await begin(teams, bot, group, ada)
        await stop_shown(teams, group)
    async with TeamsBot(teams, store) as bot:
        await bot.adapter.edit(heard.channel, message_id, Reply("Interrupted by a restart."))

    assert [each.text for each in teams.answers(group)] == ["Interrupted by a restart."]


@pytest.mark.usefixtures("soon")
async def test_a_button_that_a_crash_left_behind_goes_when_it_is_pressed(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    async with TeamsBot(teams, store) as bot:
        heard, message_id = await begin(teams, bot, group, ada)
        await stop_shown(teams, group)
        name = f"files {heard.channel.tenant} {heard.channel.id} {message_id}"
        await teams.until(lambda: bot.adapter._showing._stops._watches)  # the answer is still on its way
        await store.note("teams", name, {"shown": {}})  # the crash came before it was noted
    async with TeamsBot(teams, store, model=ScriptedModel()) as bot:
        await bot.adapter.edit(heard.channel, message_id, Reply("Interrupted by a restart."))
        _, card = teams.answers(group)

        answered = await teams.press(group, ada, card, "Stop")

        assert answered.json["value"] == "This answer has ended already."
        await teams.until(lambda: len(teams.answers(group)) == 1)


@pytest.mark.usefixtures("soon")
async def test_what_was_changed_too_late_is_put_right_when_it_is_pressed(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    model = Slow()
    async with TeamsBot(teams, store, model=model) as bot:
        assert bot.core is not None
        await teams.say(group, ada, "Tell me of foxes.")
        await stop_shown(teams, group)
        text, card = teams.answers(group)
        teams.fail(400, method="PUT", path=card.id)  # for one reason or another the card could not be changed
        model.go.set()
        await bot.core.idle()
        assert card.buttons == ["Stop"]

        answered = await teams.press(group, ada, card, "Stop")

        assert answered.json["value"] == "This answer has ended already."
        await teams.until(lambda: card.buttons == ["Regenerate"])
        assert [each.id for each in teams.answers(group)] == [text.id, card.id]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("status", [400, 403, 429, 500])
async def test_a_button_that_teams_refuses_costs_nobody_the_answer(
    status: int, teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    refused = teams.fail(status, method="POST", headers={"Retry-After": "0.1"})
    await teams.until(lambda: refused.hits == 1)

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert [each.text for each in teams.answers(group)] == ["Foxes are red."]


@pytest.mark.usefixtures("soon")
async def test_the_end_waits_for_a_button_that_is_just_being_shown(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    held = teams.hold(method="POST", after=True)
    await teams.until(lambda: held.hits)
    ending = asyncio.create_task(bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red.")))
    await asyncio.sleep(0)
    held.release()
    await ending

    assert [each.text for each in teams.answers(group)] == ["Foxes are red."]


@pytest.mark.usefixtures("soon")
async def test_when_it_cannot_be_remembered_it_is_not_left_there(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    kept = bot.adapter.store.note

    async def full(platform: str, name: str, value: dict[str, Any]) -> None:
        if "stop" in value.get("shown", {}):
            raise RuntimeError("the disk is full")
        await kept(platform, name, value)

    monkeypatch.setattr(bot.adapter.store, "note", full)
    await teams.until(lambda: teams.called("DELETE", SENDS))
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red."))

    assert [each.text for each in teams.answers(group)] == ["Foxes are red."]


@pytest.mark.usefixtures("soon")
async def test_in_a_personal_chat_teams_has_its_own_button_while_it_streams(
    teams: FakeTeams, bot: TeamsBot, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = teams.personal(ada)
    heard, message_id = await begin(teams, bot, chat, ada)
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red", buttons=STOP, running=True))
    looked = asyncio.Event()
    runs = bot.adapter._showing._streams.runs
    monkeypatch.setattr(bot.adapter._showing._stops, "_streamed", lambda *which: (looked.set(), runs(*which))[1])
    await asyncio.wait_for(looked.wait(), 5)
    assert buttons(teams, chat) == [[]]

    chat.streams[message_id].ended = "Content stream is not allowed: exceeded streaming time"
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red, and", buttons=STOP, running=True))
    await stop_shown(teams, chat)  # it goes on as an ordinary message

    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red, and quick."))
    assert [each.text for each in teams.answers(chat)] == ["Foxes are red, and quick."]


@pytest.mark.usefixtures("soon")
async def test_where_teams_does_not_stream_there_is_a_button_of_ours(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    chat = teams.personal(ada)
    async with TeamsBot(teams, store, model=Slow()) as bot:
        assert bot.core is not None
        teams.fail(403, method="POST", code="ContentStreamNotAllowed")
        await teams.say(chat, ada, "Tell me of foxes.")
        await stop_shown(teams, chat)

        await teams.press(chat, ada, teams.answers(chat)[-1], "Stop")
        await bot.core.idle()

    assert [each.text for each in teams.answers(chat)] == ["Foxes are\n\n_Stopped._"]


@pytest.mark.usefixtures("soon")
async def test_the_button_stands_below_the_last_part_of_a_long_answer(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard, first = await begin(teams, bot, group, ada)
    await stop_shown(teams, group)
    await bot.adapter.edit(heard.channel, first, Reply("One."))
    second = await bot.adapter.post(
        heard.channel, Reply("Two", buttons=STOP, running=True), answers=heard.id, nonce="n2"
    )
    await teams.until(lambda: len(teams.answers(group)) == 3)

    assert [(each.text, each.buttons) for each in teams.answers(group)] == [("One.", []), ("Two", []), ("", ["Stop"])]
    data = teams.answers(group)[-1].card["actions"][0]["data"]
    assert data["parley"] == {"action": "stop", "answer": second}


@pytest.mark.usefixtures("soon")
async def test_an_answer_that_is_taken_back_takes_its_button_along(
    teams: FakeTeams, bot: TeamsBot, ada: Person, group: Conversation
) -> None:
    heard, message_id = await begin(teams, bot, group, ada)
    await stop_shown(teams, group)

    await bot.adapter.remove(heard.channel, message_id)

    assert teams.answers(group) == []


@pytest.mark.usefixtures("soon")
async def test_where_answers_are_posts_of_their_own_the_button_is_below_the_post(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    general, _ = teams.team("Foxes", ada)
    thread = teams.thread("", ada, channel=general)
    teams.graph.owners[f"teams/{teams.group_of(general.id)}"] = {ada.aad}
    async with TeamsBot(teams, store, model=Slow()) as bot:
        assert bot.core is not None
        await teams.invoke(thread, ada, "config/submit", {"data": {"@teams.replies": "in a new post"}})
        await teams.say(thread, ada, "Tell me of foxes.")
        await stop_shown(teams, general)
        post, card = teams.answers(general)
        below = teams.conversations[f"{general.id};messageid={post.id}"]

        stopped = await teams.press(below, ada, card, "Stop")
        await bot.core.idle()

    assert stopped.json["value"] == "I have stopped."
    assert [each.text for each in teams.answers(general)] == ["Foxes are\n\n_Stopped._"]
    assert teams.answers(thread) == []


@pytest.mark.usefixtures("soon")
async def test_who_asked_does_not_wait_for_graph(
    teams: FakeTeams, store: Store, ada: Person, group: Conversation
) -> None:
    model = Slow()
    async with TeamsBot(teams, store, model=model) as bot:
        assert bot.core is not None
        held = teams.hold(path="/graph/")
        await teams.say(group, ada, "Tell me of foxes.")
        await stop_shown(teams, group)
        model.go.set()
        await bot.core.idle()
        card = teams.answers(group)[-1]
        model.go.clear()

        again = await teams.press(group, ada, card, "Regenerate")
        await teams.until(lambda: card.buttons == ["Stop"])
        stopped = await teams.press(group, ada, card, "Stop")
        await bot.core.idle()

    assert [each.json["value"] for each in (again, stopped)] == ["I am on it.", "I have stopped."]
    assert max(again.seconds, stopped.seconds) < 2
    assert held.hits == 0
