"""Menus, dialogs, settings and files in Teams: what a person opens, fills in, and what comes of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from bot.errors import UserError
from bot.messages import Attachment, Reply
from bot.translations import translate
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.checks import check_card
from tests.fakes.teams.world import Json
from tests.teams_bot import TeamsBot


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


def payload(body: str, **more: Any) -> Json:
    """A message as its menu passes it on."""
    user = {"userIdentityType": "aadUser", "id": "bob-aad", "displayName": "Bob"}
    message = {
        "id": "17",
        "body": {"contentType": "html", "content": body},
        "from": {"user": user, "application": None},
        "attachments": [],
    }
    return {"commandContext": "message", "messagePayload": message | more}


def card_in(body: Json) -> Json:
    """The card of a dialog, checked."""
    content: Json = body["value"]["card"]["content"]
    check_card(content)
    return content


def parts(value: Any) -> Iterator[Json]:
    """Everything in a card, however deep."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from parts(each)


def inputs(card: Json) -> dict[str, Json]:
    return {each["id"]: each for each in parts(card["body"]) if str(each.get("type")).startswith("Input.")}


async def submit(teams: FakeTeams, place: Conversation, ada: Person, opened: Json, filled: Json, value: Json) -> Json:
    data = card_in(opened["task"])["actions"][0]["data"] | filled
    answered = await teams.invoke(place, ada, "composeExtension/submitAction", value | {"data": data})
    assert answered.status == 200
    return answered.json


async def test_an_entry_on_a_message_opens_a_form_and_asks_about_that_message(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    group = teams.group("A group", ada)
    await teams.say(group, ada, "hello")
    value = {"commandId": "describe"} | payload("<p>Look at <b>this</b> fox</p>")

    opened = (await teams.invoke(group, ada, "composeExtension/fetchTask", value)).json
    told = await submit(teams, group, ada, opened, {"question": "how old is it?"}, value)
    again = await submit(teams, group, ada, opened, {"question": "how old is it?"}, value)

    assert opened["task"]["type"] == "continue"
    assert "Look at this fox" in str(opened)
    assert "question" in inputs(card_in(opened["task"]))
    heard = bot.notes.last
    assert (heard.skill, heard.request["question"], heard.channel.id) == ("describe", "how old is it?", group.id)
    assert (heard.author.id, heard.reply_to) == (ada.aad, "17")
    assert heard.quote is not None
    assert heard.quote.author is not None
    assert (heard.quote.id, heard.quote.text, heard.quote.author.name) == ("17", "Look at this fox", "Bob")
    assert told == again == {}, "the dialog closes"
    assert len(bot.notes.heard_) == 2, "sent twice is asked once"


async def test_where_the_bot_is_no_member_the_answer_comes_in_ones_own_chat(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    elsewhere, chat = teams.group("Elsewhere", ada), teams.personal(ada)
    value = {"commandId": "describe"} | payload("<p>fox</p>")

    opened = (await teams.invoke(elsewhere, ada, "composeExtension/fetchTask", value)).json
    told = await submit(teams, elsewhere, ada, opened, {}, value)
    heard = bot.notes.last
    await bot.adapter.post(heard.channel, Reply("A fox."), answers=heard.reply_to or heard.id, nonce="1")

    assert "your own chat" in str(told)
    assert (heard.channel.id, heard.channel.kind, heard.author.moderator) == (chat.id, "direct", True)
    assert [each.text for each in teams.answers(chat)] == ["A fox."]
    assert teams.answers(elsewhere) == []


async def test_who_has_no_chat_with_the_bot_is_told_how_to_have_one(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    elsewhere = teams.group("Elsewhere", ada)
    value = {"commandId": "describe"} | payload("<p>fox</p>")

    opened = (await teams.invoke(elsewhere, ada, "composeExtension/fetchTask", value)).json
    told = await submit(teams, elsewhere, ada, opened, {}, value)

    assert "Add me" in str(told)
    assert bot.notes.heard_ == []


async def test_a_picture_is_drawn_from_the_box_where_one_writes(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    chat = teams.personal(ada)
    value = {"commandId": "draw", "commandContext": "compose"}

    opened = (await teams.invoke(chat, ada, "composeExtension/fetchTask", value)).json
    fields = inputs(card_in(opened["task"]))
    filled = {"prompt": "a fox", "count": 2, "size": "tall"}
    await submit(teams, chat, ada, opened, filled, value)
    heard = bot.notes.last
    await bot.adapter.post(heard.channel, Reply("A fox."), answers=heard.reply_to or heard.id, nonce="1")

    assert {name: each["type"] for name, each in fields.items() if name in filled} == {
        "prompt": "Input.Text",
        "size": "Input.ChoiceSet",
        "count": "Input.Number",
    }
    assert (fields["count"]["min"], fields["count"]["max"]) == (1, 4)
    assert heard.skill == "draw"
    assert {name: heard.request[name] for name in filled} == filled
    assert [each.text for each in teams.answers(chat)] == ["A fox."]


@pytest.mark.parametrize("locale", ["de-DE", "es-MX", "fr-CA", "ja-JP"])
async def test_dialogs_speak_the_language_of_whoever_opens_them(
    locale: str, teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)
    value = {"commandId": "draw", "commandContext": "compose"}

    opened = (await teams.invoke(chat, ada, "composeExtension/fetchTask", value, locale=locale)).json
    card = card_in(opened["task"])
    data = card["actions"][0]["data"] | {"prompt": "x"}
    told = await teams.invoke(chat, ada, "composeExtension/submitAction", {"data": data}, locale=locale)
    unknown = await teams.invoke(chat, ada, "composeExtension/fetchTask", {"commandId": "juggle"}, locale=locale)

    english = (await teams.invoke(chat, ada, "composeExtension/fetchTask", value)).json
    seen, plain = (
        [str(each[key]) for each in parts(shown) for key in ("text", "title", "label", "errorMessage") if key in each]
        for shown in (card, card_in(english["task"]))
    )
    assert inputs(card)["count"]["label"] == translate("How many pictures", locale)
    assert len(seen) == len(plain)
    assert [text for text in seen if text in plain and len(text) > 12] == [], "no sentence is left in English"
    assert told.json == {}
    sentence = "I do not know this command any more. Whoever runs this bot can renew its app package."
    assert translate(sentence, locale) in [each.get("text") for each in parts(unknown.json)]
    assert (bot.notes.last.author.locale, bot.notes.last.author.timezone) == (locale, "Europe/London")


@pytest.mark.parametrize("command", ["chat", "Ask about this", ""])
async def test_ask_about_this_is_a_conversation_about_the_message(
    command: str, teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)
    value = {"commandId": command} | payload("<p>Nanoseconds</p>")

    opened = (await teams.invoke(chat, ada, "composeExtension/fetchTask", value)).json
    words = next(iter(inputs(card_in(opened["task"]))))
    await submit(teams, chat, ada, opened, {words: "how long is one?"}, value)

    heard = bot.notes.last
    assert (heard.skill, heard.text) == ("chat", "how long is one?")
    assert heard.quote is not None
    assert heard.quote.text == "Nanoseconds"


async def test_a_command_that_is_gone_says_so_in_the_dialog_it_opens(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)

    opened = (await teams.invoke(chat, ada, "composeExtension/fetchTask", {"commandId": "no such"})).json

    card = card_in(opened["task"])
    assert (opened["task"]["type"], "actions" in card) == ("continue", False)
    assert "do not know this command" in str(card)


async def test_parameters_that_a_client_asks_for_itself_are_one_question_however_often_they_come(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    value = {"commandId": "translate", "data": {"text": "Good morning", "language": "French", "title": "x"}}
    chat = teams.personal(ada)

    first = await teams.invoke(chat, ada, "composeExtension/submitAction", value)
    again = await teams.deliver(first.activity)
    other = await teams.invoke(chat, ada, "composeExtension/submitAction", value)

    assert [each.json for each in (first, again, other)] == [{}] * 3
    assert [(each.skill, each.text, each.request["language"]) for each in bot.notes.heard_] == [
        ("translate", "Good morning", "French")
    ] * 2


async def test_a_link_has_a_card_that_says_that_it_has_no_preview(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    link = {"url": "https://example.com"}

    shown = (await teams.invoke(teams.personal(ada), ada, "composeExtension/queryLink", link)).json

    (card,) = shown["composeExtension"]["attachments"]
    check_card(card["content"])
    assert "no previews of links" in str(card)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("composeExtension/fetchTask", {"commandId": "no such"}),
        ("composeExtension/fetchTask", []),
        ("composeExtension/submitAction", {"data": "x"}),
        ("composeExtension/submitAction", {"commandId": "draw", "data": {"ticket": "../.."}}),
        ("composeExtension/submitAction", {"data": {"close": True}}),
        ("composeExtension/query", {"queryOptions": {}}),
        ("composeExtension/queryLink", {"url": "https://example.com"}),
        ("task/fetch", {}),
        ("task/fetch", {"data": {"command": "draw"}}),
        ("task/submit", {"data": {"close": True}}),
        ("config/fetch", {}),
        ("config/submit", {}),
        ("config/submit", {"data": {"draw.most": 10**400, "chat.enabled": [], "draw.enabled": None}}),
        ("config/submit", {"data": {"draw.most": "NaN"}}),
        ("fileConsent/invoke", {}),
        ("message/submitAction", {}),
        ("message/fetchTask", {}),
        ("adaptiveCard/action", {}),
    ],
)
async def test_every_invoke_is_answered_with_a_body(
    name: str, value: Any, teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    for place in (teams.personal(ada), teams.group("A group", ada), teams.thread("General", ada)):
        answered = await teams.invoke(place, ada, name, value)

        assert answered.status == 200
        assert isinstance(answered.json, dict)
        assert answered.seconds < 5
    assert bot.notes.heard_ == []


@pytest.mark.parametrize(
    "changes", [{"from": None}, {"from": {}}, {"recipient": None}, {"name": None}, {"name": 5}, {"name": ""}], ids=str
)
async def test_an_invoke_that_says_not_whose_it_is_is_refused(
    changes: Json, teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    activity = teams.activity(teams.personal(ada), ada, "invoke", name="config/submit", value={"data": {}})

    assert (await teams.deliver(activity | changes)).status == 400


async def test_an_invoke_that_comes_again_is_answered_again_but_done_once(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = teams.personal(ada)
    data = {"parley": {"action": "regenerate", "answer": "17"}}
    activity = teams.activity(chat, ada, "invoke", name="adaptiveCard/action", value={"action": {"data": data}})

    answers = await asyncio.gather(*(teams.deliver(activity) for _ in range(5)))
    again = await teams.deliver(activity)
    other = await teams.invoke(chat, ada, "adaptiveCard/action", {"action": {"data": data}})

    assert {each.body for each in answers} == {again.body}
    assert other.status == 200
    assert [press.id for press in bot.notes.presses] == [activity["id"], other.id], (
        "whoever presses twice is heard twice"
    )


async def test_the_chat_of_two_people_is_not_their_chat_with_the_bot(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    """Teams calls such a chat personal, too, when somebody in it uses the bot's menu."""
    own = teams.personal(ada)
    between = {"conversation": {"id": "19:ada_bob@unq.gbl.spaces", "conversationType": "personal"}}
    chosen = teams.activity(own, ada, "invoke", name="composeExtension/fetchTask", value={"commandId": "translate"})
    opened = await teams.deliver(chosen | between)
    data = opened.json["task"]["value"]["card"]["content"]["actions"][0]["data"]
    filled = teams.activity(own, ada, "invoke", name="composeExtension/submitAction", value={"data": data})

    answered = await teams.deliver(filled | between)

    assert "your own chat" in answered.json["task"]["value"]
    assert bot.notes.last.channel.id == own.id


async def test_an_invoke_needs_its_token_like_everything_else(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    activity = teams.activity(teams.personal(ada), ada, "invoke", name="config/submit", value={"data": {}})

    assert (await teams.deliver(activity, token="a.b.c")).status == 401
    assert (await teams.deliver(activity | {"channelData": {"tenant": {"id": "evil"}}})).status == 403


# Files.


async def test_files_and_pictures_of_a_channel_are_read_where_that_was_allowed(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    group = teams.group("A group", ada)
    await teams.say(group, ada, "hello")
    address = "https://contoso.sharepoint.com/sites/foxes/Shared Documents/fox.m4a"
    picture = f"chats/{group.id}/messages/17/hostedContents/abc"
    teams.graph.shares[address.replace(" ", "%20")] = b"a voice"
    teams.graph.hosted[picture] = b"\x89PNG"
    files = [{"contentType": "reference", "contentUrl": address.replace(" ", "%20"), "name": "fox.m4a"}]
    source = f"{teams.origin}/graph/v1.0/{picture}/$value"
    value = {"commandId": "describe"} | payload(f'<p>x</p><img alt="a" src="{source}">', attachments=files)
    opened = (await teams.invoke(group, ada, "composeExtension/fetchTask", value)).json
    await submit(teams, group, ada, opened, {}, value)
    heard = bot.notes.last
    assert heard.quote is not None

    read = [await bot.adapter.read(heard.channel, each, 1000) for each in heard.quote.attachments]
    teams.graph.shares.clear()
    with pytest.raises(UserError, match="does not let me read"):
        await bot.adapter.read(heard.channel, heard.quote.attachments[1], 1000)

    assert [each.media_type for each in heard.quote.attachments] == ["image/png", "audio/mp4"]
    assert read == [b"\x89PNG", b"a voice"]


@pytest.mark.parametrize(
    "source",
    [
        "https://evil.example/hostedContents/1/$value",
        "https://graph.microsoft.com.evil.example/v1.0/x/hostedContents/1",
        "https://contoso.sharepoint.com.evil.example/fox.png",
        "http://contoso.sharepoint.com/fox.png",
    ],
)
async def test_the_token_for_graph_goes_nowhere_else(source: str, teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    await teams.say(teams.personal(ada), ada, "hello")
    asked = len(teams.called("POST", "oauth2"))

    with pytest.raises(UserError):
        await bot.adapter.read(bot.notes.last.channel, Attachment("x", "image/png", source=f"graph:{source}"), 100)

    assert len(teams.called("POST", "oauth2")) == asked


async def test_each_tenant_that_is_served_is_answered_and_no_other(teams: FakeTeams, store: Store, ada: Person) -> None:
    second = "7d4fbc8c-0000-4000-8000-000000000002"
    own, theirs = teams.personal(ada), teams.personal(teams.person("Eve"), tenant=second)
    foreign = teams.personal(teams.person("Mallory"), tenant="7d4fbc8c-0000-4000-8000-00000000bad0")
    async with TeamsBot(teams, store, teams_tenants=(second,)) as bot:
        answered = [(await teams.say(place, place.members[0], "hello")).status for place in (own, theirs, foreign)]
        invoked = await teams.invoke(foreign, foreign.members[0], "config/fetch", {})

    assert answered == [202, 202, 403]
    assert invoked.status == 403
    assert [heard.channel.tenant for heard in bot.notes.heard_] == [teams.tenant, second]
