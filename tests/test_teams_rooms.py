"""The bot's life in the teams, channels and chats of Teams: coming and going, names, edits, quotes, mentions."""

import asyncio
import sqlite3
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bot.adapter import Gone, PostFailed
from bot.messages import Attachment, Message, Reply
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.world import Json
from tests.teams_bot import Slow, TeamsBot, at_full_speed


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    at_full_speed(monkeypatch)


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


async def event(teams: FakeTeams, place: Conversation, person: Person, kind: str = "", **more: Any) -> None:
    """Teams tells of something that happened to a place."""
    activity = teams.activity(place, person, "conversationUpdate", **more)
    if kind:
        activity["channelData"]["eventType"] = kind
    assert (await teams.deliver(activity)).status == 200


async def heard_in(teams: FakeTeams, bot: TeamsBot, place: Conversation, person: Person) -> Message:
    assert (await teams.say(place, person, "hello")).status == 202
    return bot.notes.last


async def say(bot: TeamsBot, heard: Message, text: str, nonce: str = "1") -> str:
    return await bot.adapter.post(heard.channel, Reply(text), answers=heard.id, nonce=nonce)


# Coming and going.


async def test_in_a_team_the_bot_says_hello_once_where_everybody_is(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    general, thread = teams.team("Foxes", ada)
    added = [dict(teams.bot_account)]
    await event(teams, general, ada, "teamMemberAdded", membersAdded=added, locale="de-DE")
    for place in (thread, general):  # the channel that was chosen while installing, and once more
        activity = teams.activity(place, ada, "installationUpdate", action="add", locale="de-DE")
        assert (await teams.deliver(activity)).status == 200
    await event(teams, thread, ada, "teamMemberAdded", membersAdded=added)

    await heard_in(teams, bot, thread, ada)
    await say(bot, bot.notes.last, "Hello.")
    await teams.until(lambda: teams.answers(general))
    assert [each.text.split(",")[0] for each in teams.answers(general)] == ["Hallo"]
    assert [each.text for each in teams.answers(thread)] == ["Hello."]


async def test_installed_for_oneself_it_says_hello_once_and_nothing_when_it_is_updated(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)
    await teams.add_bot(chat, ada)
    await teams.until(lambda: teams.answers(chat))
    for action in ("remove-upgrade", "add-upgrade"):
        await teams.deliver(teams.activity(chat, ada, "installationUpdate", action=action))

    await say(bot, await heard_in(teams, bot, chat, ada), "Yes?")
    assert [each.text for each in teams.answers(chat)][1:] == ["Yes?"]
    actions = teams.answers(chat)[0].activity["suggestedActions"]["actions"]
    assert [each["type"] for each in actions] == ["imBack"] * 3


async def test_people_who_come_and_go_are_not_spoken_to(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    group, grace = teams.group("A group", ada), teams.person("Grace")
    await event(teams, group, ada, membersAdded=[grace.account])
    await event(teams, group, ada, membersRemoved=[grace.account])
    await event(teams, group, ada, topicName="Hens")

    await say(bot, await heard_in(teams, bot, group, ada), "Yes?")
    assert [each.text for each in teams.answers(group)] == ["Yes?"]


async def test_in_a_meeting_it_is_a_chat_like_any_other(teams: FakeTeams, store: Store, ada: Person) -> None:
    meeting = teams.group("Standup", ada)
    del teams.conversations[meeting.id]
    meeting.id = "19:meeting_MmRkYzQ4@thread.v2"
    teams.conversations[meeting.id] = meeting
    teams.graph.owners[f"chats/{meeting.id}"] = {ada.aad}
    async with TeamsBot(teams, store, model=ScriptedModel("At nine.")) as bot:
        data = {"tenant": {"id": teams.tenant}, "meeting": {"id": "MCMxOTptZWV0aW5n"}}
        assert (await teams.say(meeting, ada, "when?", channelData=data)).status == 202
        await bot.core.idle()  # type: ignore[union-attr]
        opened = (await teams.invoke(meeting, ada, "config/fetch", {})).json["config"]

    assert [each.text for each in teams.answers(meeting) if each.text] == ["At nine."]
    assert opened["type"] == "continue"


async def test_out_of_a_team_the_bot_no_longer_takes_what_is_chosen_there_for_its_own(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    general, thread = teams.team("Foxes", ada)
    chat = teams.personal(ada)
    await heard_in(teams, bot, thread, ada)
    await event(teams, general, ada, "teamMemberRemoved", membersRemoved=[dict(teams.bot_account)])
    value: Json = {
        "commandId": "describe",
        "messagePayload": {"id": "17", "body": {"content": "<p>fox</p>"}, "attachments": []},
    }

    opened = (await teams.invoke(thread, ada, "composeExtension/fetchTask", value)).json
    data = opened["task"]["value"]["card"]["content"]["actions"][0]["data"]
    await teams.invoke(thread, ada, "composeExtension/submitAction", value | {"data": data})

    assert bot.notes.last.channel.id == chat.id


@pytest.mark.parametrize("kind", ["channelDeleted", "teamDeleted"])
async def test_where_a_channel_is_gone_nothing_is_said_until_somebody_speaks_there_again(
    kind: str, teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    general, _ = teams.team("Foxes", ada)
    heard = await heard_in(teams, bot, general, ada)
    await event(teams, general, ada, kind)

    with pytest.raises(Gone):
        await say(bot, heard, "Hello.")
    assert teams.answers(general) == []

    await event(teams, general, ada, kind.replace("Deleted", "Restored"))
    await say(bot, await heard_in(teams, bot, general, ada), "Hello.")
    assert [each.text for each in teams.answers(general)] == ["Hello."]


async def test_places_have_the_names_that_people_know_them_by(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    general, thread = teams.team("Foxes", ada)
    post = teams.thread("", ada, channel=general)
    post.team = general.id
    places = (general, post, thread, teams.group("", ada), teams.personal(ada))
    names = [(await heard_in(teams, bot, place, ada)).channel.name for place in places]
    await event(teams, thread, ada, "channelRenamed")
    await event(teams, thread, ada, "teamRenamed")
    thread.name = "Hens"
    names.append((await heard_in(teams, bot, thread, ada)).channel.name)

    assert names == ["General", "General", "Foxes", "", "", "Hens"]
    assert all(teams.answers(place) == [] for place in (general, thread))


# Questions that change.


async def test_a_question_that_is_changed_while_it_is_answered_is_answered_as_it_stands(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    group, model = teams.group("A group", ada), Slow()
    async with TeamsBot(teams, store, model=model) as bot:
        said = await teams.say(group, ada, "what is a fax?")
        await teams.until(lambda: teams.answers(group) and teams.answers(group)[0].text == "Foxes are")
        await teams.change(group, ada, said.id, "what is a fox?")
        model.go.set()
        await bot.core.idle()  # type: ignore[union-attr]
        (text, _) = teams.answers(group)
        assert text.text == "Foxes areYou said: Ada: what is a fox?"

        await teams.change(group, ada, said.id, "what is a hen?")
        await bot.core.idle()  # type: ignore[union-attr]
        assert [each.text for each in teams.answers(group)] == ["Foxes areYou said: Ada: what is a hen?", ""]


async def test_what_becomes_a_question_by_being_changed_is_answered(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    group = teams.group("A group", ada)
    async with TeamsBot(teams, store, model=ScriptedModel("Eine Antwort.")) as bot:
        said = await teams.say(group, ada, "what is a fox?", mention=False, locale="de-DE")
        activity = teams.message(group, ada, "what is a fox?", type="messageUpdate", id=said.id, locale="de-DE")
        activity["channelData"]["eventType"] = "editMessage"
        await teams.deliver(activity)
        await bot.core.idle()  # type: ignore[union-attr]

    assert [each.text for each in teams.answers(group)] == ["Eine Antwort.", ""]
    assert teams.answers(group)[1].buttons == ["Neu schreiben"]


async def test_a_question_that_is_taken_back_ends_its_answer_and_stays_forgotten_when_it_is_put_back(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    group = teams.group("A group", ada)
    async with TeamsBot(teams, store, model=Slow()) as bot:
        said = await teams.say(group, ada, "what is a fox?")
        await teams.until(lambda: teams.answers(group) and teams.answers(group)[0].text == "Foxes are")
        await teams.remove(group, ada, said.id)
        await bot.core.idle()  # type: ignore[union-attr]
        before = [each.text for each in teams.answers(group)]
        activity = teams.message(group, ada, "what is a fox?", type="messageUpdate", id=said.id)
        activity["channelData"]["eventType"] = "undeleteMessage"
        assert (await teams.deliver(activity)).status == 200
        await bot.core.idle()  # type: ignore[union-attr]

    assert before == ["Foxes are\n\n_Stopped._"]
    assert [each.text for each in teams.answers(group)] == before


# Quotes and mentions.


@pytest.mark.parametrize("said", ["Parley Foxes are red & quick. why?", "Foxes are red & quick.\r\n\r\nwhy?", "why?"])
async def test_what_a_client_writes_of_the_quoted_message_is_not_taken_for_the_reply(
    said: str, teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)
    heard = await heard_in(teams, bot, chat, ada)
    shown = chat.find(await say(bot, heard, "Foxes are red & quick."))
    activity = teams.message(chat, ada, "why?", quote=shown)

    await teams.deliver(activity | {"text": said})

    assert bot.notes.last.text == "why?"
    assert bot.notes.last.quote is not None
    assert bot.notes.last.quote.text == "Foxes are red & quick."


async def test_who_repeats_what_they_quote_is_heard_as_they_said_it(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)
    heard = await heard_in(teams, bot, chat, ada)
    shown = chat.find(await say(bot, heard, "Why?"))

    for text in ("Why?", "Why? Because."):
        await teams.say(chat, ada, text, quote=shown)
        assert bot.notes.last.text == text


async def test_a_reply_that_mentions_the_bot_within_a_quote_of_others_is_heard_whole(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    group = teams.group("A group", ada)
    told = await teams.say(group, ada, "a fox & a hen", mention=False)

    await teams.say(group, ada, "who is that?", quote=group.find(told.id))

    assert bot.notes.last.text == "who is that?"
    assert bot.notes.last.quote is not None
    assert (bot.notes.last.quote.id, bot.notes.last.quote.text) == (told.id, "a fox & a hen")


@pytest.mark.parametrize("text", ["<at>Everyone</at> look!", "@everyone @channel @team", '<at id="0">Ada</at>'])
async def test_no_answer_calls_anybody_by_name(text: str, teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    group = teams.group("A group", ada)
    await say(bot, await heard_in(teams, bot, group, ada), text)

    (shown,) = teams.answers(group)
    assert [each["type"] for each in shown.activity["entities"]] == ["https://schema.org/Message"]
    assert "<at" not in shown.text


async def test_what_goes_with_a_new_post_hangs_on_it_also_when_it_is_shown_at_the_second_try(
    teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person
) -> None:
    general, _ = teams.team("Foxes", ada)
    thread = teams.thread("", ada, channel=general)
    await store.choose(("teams", thread.tenant, general.id), "@teams", {"replies": "in a new post"})
    heard = await heard_in(teams, bot, thread, ada)
    message_id = await say(bot, heard, "Notes of the day.")
    notes = (Attachment("notes.txt", "text/plain", b"a fox was seen"),)

    again = await bot.adapter.post(heard.channel, Reply("Notes of the day.", notes), answers=heard.id, nonce="1")

    assert again == message_id
    assert "messageid" in teams.called("POST", "/activities")[-1].path
    assert "a fox was seen" in teams.answers(general)[-1].text


async def test_where_the_bot_comes_back_nobody_who_looked_before_makes_it_gone_again(
    teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = teams.group("Foxes", ada)
    await heard_in(teams, bot, group, ada)
    await teams.remove_bot(group, ada)
    async with TeamsBot(teams, store) as later:
        heard, real, read, go_on = bot.notes.last, store.noted, asyncio.Event(), asyncio.Event()

        async def slowly(platform: str, name: str) -> dict[str, Any] | None:
            found = await real(platform, name)
            read.set()
            await go_on.wait()
            return found

        with monkeypatch.context() as patch:
            patch.setattr(store, "noted", slowly)
            looking = asyncio.create_task(later.adapter._showing._sending.address(heard.channel))
            await read.wait()
        await teams.add_bot(group, ada)
        await heard_in(teams, later, group, ada)
        go_on.set()
        await asyncio.gather(looking, return_exceptions=True)

        await say(later, later.notes.last, "I am back.")

        assert [each.text for each in teams.answers(group)][-1] == "I am back."


async def test_a_new_post_whose_place_could_not_be_kept_at_first_is_shown_once(
    teams: FakeTeams, bot: TeamsBot, store: Store, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def locked(*_: object, **__: object) -> None:
        raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))

    general, _ = teams.team("Foxes", ada)
    thread = teams.thread("", ada, channel=general)
    await store.choose(("teams", thread.tenant, general.id), "@teams", {"replies": "in a new post"})
    heard = await heard_in(teams, bot, thread, ada)
    with monkeypatch.context() as patch:
        patch.setattr(store, "note", locked)
        with pytest.raises(PostFailed):
            await say(bot, heard, "Notes of the day.")

    message_id = await say(bot, heard, "Notes of the day.")
    await bot.adapter.edit(heard.channel, message_id, Reply("Notes of today."))

    assert [each.text for each in teams.answers(general)] == ["Notes of today."]
