"""What people do in Teams, and what the bot makes of it."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from bot.messages import Button, Message, Reply
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.teams_bot import TeamsBot

PAYLOADS = Path(__file__).parent / "payloads" / "teams"
MENTIONS = json.loads((PAYLOADS / "mentions.json").read_text("utf-8"))
ODD = json.loads((PAYLOADS / "odd.json").read_text("utf-8"))


def named(cases: list[dict[str, Any]]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


async def test_a_message_in_a_personal_chat_is_taken_within_a_second(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    chat = teams.personal(ada)

    answered = await teams.say(chat, ada, "hello\n\nthere")

    assert answered.status == 202
    assert answered.seconds < 1
    heard = bot.notes.last
    assert (heard.id, heard.text, heard.attachments) == (answered.id, "hello\n\nthere", ())
    assert (heard.author.id, heard.author.name, heard.author.locale) == (ada.aad, "Ada", "en-GB")
    assert heard.author.moderator, "in a chat of one's own one decides"
    assert (heard.channel.kind, heard.channel.id, heard.channel.tenant) == ("direct", chat.id, teams.tenant)
    assert heard.sent_at.utcoffset() is not None


async def test_the_same_message_is_heard_once_however_often_teams_sends_it(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    first = await teams.say(teams.personal(ada), ada, "hello")

    again = [await teams.deliver(first.activity), await teams.deliver(first.activity)]

    assert [each.status for each in again] == [200, 200]
    assert len(bot.notes.heard_) == 1


async def test_in_a_group_the_bot_listens_only_when_it_is_mentioned(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    group = teams.group("Analytical engine", ada)

    talk = await teams.say(group, ada, "Parley is a nice word", mention=False)
    question = await teams.say(group, ada, "what is a fox?")

    assert (talk.status, question.status) == (200, 202)
    assert [heard.text for heard in bot.notes.heard_] == ["what is a fox?"]
    channel = bot.notes.last.channel
    assert (channel.kind, channel.name, channel.parent) == ("group", "Analytical engine", "")
    assert not bot.notes.last.author.moderator


async def test_each_thread_is_a_conversation_of_its_own_set_up_by_its_channel(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    first = teams.thread("General", ada)
    second = teams.thread("General", ada, channel=first)

    await teams.say(first, ada, "one")
    await teams.say(second, ada, "two")

    one, two = [heard.channel for heard in bot.notes.heard_]
    assert (one.kind, one.id, one.name) == ("thread", first.id, "General")
    assert one.key != two.key
    assert one.settings_id == two.settings_id == first.channel


@pytest.mark.parametrize("case", named(MENTIONS))
async def test_the_mention_is_taken_out_and_nothing_else(case: dict[str, Any], store: Store) -> None:
    async with FakeTeams(bot_name=case["bot"]) as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")
        entities = [
            {"type": "mention", "text": case.get("mention", f"<at>{case['bot']}</at>"), "mentioned": teams.bot_account}
        ] * case.get("times", 1)
        for identifier, name in case.get("others", {}).items():
            account = {"id": identifier, "name": name}
            entities.append({"type": "mention", "text": f"<at>{name}</at>", "mentioned": account})
        group = teams.group("A group", ada)
        activity = teams.activity(group, ada, text=case["text"], textFormat=case.get("format", "plain"))

        answered = await teams.deliver(activity | {"entities": entities})

        assert answered.status == 202
        assert bot.notes.last.text == case["heard"]


@pytest.mark.parametrize(
    "mentioned", [{"id": "29:grace", "name": "Parley"}, {"name": "Parley"}, {}, None, "Parley"], ids=str
)
async def test_somebody_with_the_bots_name_is_not_the_bot(teams: FakeTeams, bot: TeamsBot, mentioned: Any) -> None:
    ada = teams.person("Ada")
    entity = {"type": "mention", "text": "<at>Parley</at>", "mentioned": mentioned}
    activity = teams.activity(teams.group("A group", ada), ada, text="<at>Parley</at> hello", entities=[entity])

    answered = await teams.deliver(activity)

    assert answered.status == 200
    assert bot.notes.heard_ == []


@pytest.mark.parametrize("case", named(ODD))
async def test_odd_but_true_activities_are_taken_calmly(case: dict[str, Any], teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    chat = teams.personal(ada)
    activity = teams.message(chat, ada, "hello") | case["changes"]
    if case.get("keeps_tenant"):
        activity["channelData"]["tenant"] = {"id": teams.tenant}

    answered = await teams.deliver(activity)

    assert answered.status == case["status"], answered.body
    assert len(bot.notes.heard_) == (case["status"] == 202)
    if "heard" in case:
        assert bot.notes.last.text == case["heard"]
    assert bot.notes.edited_ == []


async def test_a_pasted_picture_is_read_with_the_bots_token(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    await teams.say(teams.personal(ada), ada, "what is this?", attachments=[teams.picture(b"\x89PNG a fox")])
    heard = bot.notes.last

    content = await bot.adapter.read(heard.channel, heard.attachments[0], 1000)

    assert [(each.kind, each.name) for each in heard.attachments] == [("image", "image-1")]
    assert content == b"\x89PNG a fox"
    assert teams.called("GET", "/views/original")[0].authorization == f"Bearer {teams.identity.given[0]}"


async def test_an_uploaded_voice_note_is_read_without_any_token(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    sent = teams.file("note.m4a", b"a voice", "audio/mp4")
    await teams.say(teams.personal(ada), ada, "", attachments=[sent])
    heard = bot.notes.last

    content = await bot.adapter.read(heard.channel, heard.attachments[0], 1000)

    assert [(each.name, each.media_type) for each in heard.attachments] == [("note.m4a", "audio/mp4")]
    assert content == b"a voice"
    assert teams.called("GET", "/sharepoint/")[0].authorization == ""


async def test_a_reply_in_a_personal_chat_quotes_what_was_said(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    chat = teams.personal(ada)
    await teams.say(chat, ada, "tell me of foxes")
    heard = bot.notes.last
    said = await bot.adapter.post(heard.channel, Reply("Foxes are red & quick."), answers=heard.id, nonce="n1")

    await teams.say(chat, ada, "why?", quote=chat.find(said))

    quote = bot.notes.last.quote
    assert bot.notes.last.text == "why?"
    assert quote is not None
    assert (quote.id, quote.text) == (said, "Foxes are red & quick.")
    assert quote.author is not None
    assert quote.author.bot


async def test_a_reply_in_the_newer_form_quotes_too(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    reply = {"messageId": "17", "senderId": "8:orgid:grace", "senderName": "Grace", "preview": "Nanoseconds"}
    entities = [{"type": "quotedReply", "quotedReply": reply}]

    text = '<quoted messageId="17"/> how long is one?'
    await teams.say(teams.personal(ada), ada, text, entities=entities)

    quote = bot.notes.last.quote
    assert bot.notes.last.text == "how long is one?"
    assert quote is not None
    assert quote.author is not None
    assert (quote.id, quote.author.name, quote.author.id, quote.text) == ("17", "Grace", "grace", "Nanoseconds")


async def test_edits_and_deletions_are_told(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    group = teams.group("A group", ada)
    said = await teams.say(group, ada, "a fax")

    changed = await teams.change(group, ada, said.id, "a fox")
    removed = await teams.remove(group, ada, said.id)

    assert (changed.status, removed.status) == (200, 200)
    channel = bot.notes.last.channel
    assert [(each.channel, each.id, each.text) for each in bot.notes.edited_] == [(channel, said.id, "a fox")]
    assert bot.notes.deleted_ == [(channel, [said.id])]


async def test_the_bot_introduces_itself_once_where_it_is_added(teams: FakeTeams, store: Store) -> None:
    ada = teams.person("Ada")
    chat, group = teams.personal(ada), teams.group("A group", ada)
    async with TeamsBot(teams, store):
        for place in (chat, group, chat):
            assert [each.status for each in await teams.add_bot(place, ada)] == [200, 200]
        await teams.until(lambda: teams.answers(chat) and teams.answers(group))
    async with TeamsBot(teams, store) as bot:  # after a restart Teams may tell again
        await teams.add_bot(chat, ada)
        heard = await heard_by(teams, bot, chat, ada)
        await bot.adapter.post(heard.channel, Reply("I am back."), answers=heard.id, nonce="n1")

    assert [each.text for each in teams.answers(chat)[1:]] == ["I am back."]
    assert len(teams.answers(group)) == 1
    assert "Parley" in teams.answers(chat)[0].text
    assert "ention me" in teams.answers(group)[0].text
    assert not teams.answers(chat)[0].by_ai, "no model wrote this"


async def test_who_adds_the_bot_again_is_greeted_again(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    group = teams.group("A group", ada)
    await teams.add_bot(group, ada)
    await teams.until(lambda: len(teams.answers(group)) == 1)

    await teams.remove_bot(group, ada)
    await teams.add_bot(group, ada)

    await teams.until(lambda: len(teams.answers(group)) == 2)


async def test_stop_ends_the_answer_that_is_being_written(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    chat = teams.personal(ada)
    heard = await heard_by(teams, bot, chat, ada)
    await teams.say(chat, ada, "Stop")
    assert bot.notes.last.text == "Stop", "nothing is running yet"
    running = Reply("Once upon", buttons=(Button("stop", "Stop"),), running=True)
    said = await bot.adapter.post(heard.channel, running, answers=heard.id, nonce="n1")

    answered = await teams.say(chat, ada, " stop! ")
    await bot.adapter.edit(heard.channel, said, Reply("Once upon", footer="Stopped."))
    await teams.say(chat, ada, "stop")

    assert answered.status == 200
    assert bot.notes.stopped == [(said, ada.aad)]
    assert [each.text for each in bot.notes.heard_[1:]] == ["Stop", "stop"]


async def test_what_cannot_be_stored_is_sent_again_by_teams(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    bot.notes.fails = RuntimeError("the disk is full")

    refused = await teams.say(teams.personal(ada), ada, "hello")
    bot.notes.fails = None
    again = await teams.deliver(refused.activity)

    assert refused.status == 503
    assert int(refused.headers["Retry-After"]) > 0
    assert "disk" not in refused.body
    assert again.status == 202


async def test_what_is_stored_too_late_is_still_heard_and_only_once(
    teams: FakeTeams, bot: TeamsBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.ingress._WORK_SECONDS", 0.1)
    ada = teams.person("Ada")
    bot.notes.open.clear()

    late = await teams.say(teams.personal(ada), ada, "hello")
    bot.notes.open.set()
    await teams.until(lambda: bot.notes.heard_)
    again = await teams.deliver(late.activity)

    assert (late.status, again.status) == (503, 200)
    assert [heard.text for heard in bot.notes.heard_] == ["hello"]


async def test_what_comes_while_the_bot_stops_is_sent_again_by_teams(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    chat = teams.personal(ada)
    await heard_by(teams, bot, chat, ada)

    await bot.stop()
    refused = await teams.say(chat, ada, "hello")

    assert refused.status == 503
    assert "Retry-After" in refused.headers


@pytest.mark.parametrize(
    "markup",
    ["<a ", "</", "<!--", "<a b='", '<a b="c', "<blockquote>", "&#x", "a=", f"&#{'9' * 5000};", "<", "<a>", "</p><br>"],
)
async def test_markup_of_the_worst_kind_takes_no_time(markup: str, teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    body = markup * (64_000 // len(markup))
    activity = teams.message(teams.personal(ada), ada, "hello")
    activity |= {"text": body, "textFormat": "xml", "attachments": [{"contentType": "text/html", "content": body}]}

    answered = await teams.deliver(activity)

    assert answered.status == 202
    assert answered.seconds < 2


async def heard_by(teams: FakeTeams, bot: TeamsBot, place: Conversation, person: Person) -> Message:
    """Somebody says something here, and the bot has heard it."""
    answered = await teams.say(place, person, "hello")
    assert answered.status == 202, answered.body
    return bot.notes.last


async def test_a_message_in_a_channel_or_a_chat_has_an_address(teams: FakeTeams, bot: TeamsBot) -> None:
    ada = teams.person("Ada")
    thread, group, chat = teams.thread("General", ada), teams.group("A group", ada), teams.personal(ada)
    links = []
    for place in (thread, group, chat):
        heard = await heard_by(teams, bot, place, ada)
        links.append(bot.adapter.link(heard.channel, heard.id))

    assert links[0].startswith(f"https://teams.microsoft.com/l/message/{quote(thread.channel, safe='')}/")
    assert "contextType" in links[1]
    assert links[2] == ""
