"""How answers look in Teams, and what becomes of them when Teams is slow, strict or away."""

import asyncio
import io
import time
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import Connection, text

from bot.adapter import Gone, PostFailed
from bot.adapters.teams import addresses
from bot.adapters.teams.markdown import shown
from bot.messages import Attachment, Channel, Message, Reply
from storage import Store, erase
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.teams_bot import TeamsBot

SENDS = "/conversations/"


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def chat(teams: FakeTeams, ada: Person) -> Conversation:
    """A group chat, where answers grow by being edited; for what is streamed see test_teams_streams.py."""
    return teams.group("A group", ada)


@pytest.fixture
async def heard(teams: FakeTeams, bot: TeamsBot, ada: Person, chat: Conversation) -> Message:
    """Ada's question, which waits for an answer."""
    answered = await teams.say(chat, ada, "draw a fox")
    assert answered.status == 202
    return bot.notes.last


def picture(side: int, media_type: str = "image/png", *, noise: bool = False) -> Attachment:
    image = Image.effect_noise((side, side), 200).convert("RGB") if noise else Image.new("RGB", (side, side), "red")
    out = io.BytesIO()
    image.save(out, media_type.removeprefix("image/").upper())
    return Attachment(f"fox.{media_type[-3:]}", media_type, out.getvalue(), alt="a fox in the snow")


async def say(bot: TeamsBot, heard: Message, reply: Reply, nonce: str = "n1") -> str:
    return await bot.adapter.post(heard.channel, reply, answers=heard.id, nonce=nonce)


async def test_an_answer_begins_small_and_grows_in_place(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    await bot.adapter.typing(heard.channel)
    message_id = await say(bot, heard, Reply("…", running=True))
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are", running=True))
    assert not teams.answers(chat)[0].by_ai, "the label is for what is finished"
    await bot.adapter.edit(heard.channel, message_id, Reply("Foxes are red.", footer="from a model"))

    (answer,) = teams.answers(chat)
    assert answer.states == ["…", "Foxes are", "Foxes are red.\n\n_from a model_"]
    assert (answer.id, answer.answers) == (message_id, heard.id)
    assert answer.by_ai
    assert answer.activity["textFormat"] == "markdown"
    assert chat.typings == 1


async def test_an_answer_in_a_channel_stays_in_its_thread(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    thread = teams.thread("General", ada)
    await teams.say(thread, ada, "hello")

    await say(bot, bot.notes.last, Reply("Hello, Ada."))

    assert [each.text for each in teams.answers(thread)] == ["Hello, Ada."]


async def test_posting_again_under_the_same_nonce_shows_it_once(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    first = await say(bot, heard, Reply("Hello."), nonce="same")
    second = await say(bot, heard, Reply("Hello."), nonce="same")
    third = await say(bot, heard, Reply("Hello."), nonce="other")

    assert first == second != third
    assert len(teams.answers(chat)) == 2


# Files.


async def test_a_drawn_picture_follows_its_text_as_a_message_of_its_own(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("…", running=True))

    await bot.adapter.edit(heard.channel, message_id, Reply("A fox.", (picture(64),)))

    text, drawn = teams.answers(chat)
    assert (text.id, text.text, text.files) == (message_id, "A fox.", [])
    assert (drawn.text, [file.media_type for file in drawn.files]) == ("", ["image/png"])
    assert drawn.files[0].name == "a fox in the snow"


async def test_a_picture_without_words_leaves_no_empty_message_behind(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("…", running=True))

    await bot.adapter.edit(heard.channel, message_id, Reply("", (picture(64),)))

    assert [each.text for each in teams.answers(chat)] == ["a fox in the snow", ""]


async def test_a_picture_is_shown_once_however_often_the_answer_is_placed(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    reply = Reply("Two foxes.", (picture(64), picture(64), picture(32)))
    async with TeamsBot(teams, store) as bot:
        await teams.say(chat, ada, "draw")
        heard = bot.notes.last
        message_id = await say(bot, heard, reply)
        await bot.adapter.edit(heard.channel, message_id, reply)
    async with TeamsBot(teams, store) as bot:
        await bot.adapter.edit(heard.channel, message_id, reply)

    assert [len(each.files) for each in teams.answers(chat)] == [0, 1, 1, 1]


async def test_an_answer_that_is_given_anew_keeps_no_picture_of_the_old_one(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("Two foxes.", (picture(64), picture(32))))

    await bot.adapter.edit(heard.channel, message_id, Reply("…", running=True))
    assert len(teams.answers(chat)) == 3, "until the new answer is there, the old one stays"
    await bot.adapter.edit(heard.channel, message_id, Reply("A fox and a hen.", (picture(32), picture(48))))

    sizes = [Image.open(io.BytesIO(each.files[0].data)).width for each in teams.answers(chat)[1:]]
    assert sizes == [32, 48]


async def test_an_answer_is_taken_away_with_its_pictures(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("A fox.", (picture(64),)))

    await bot.adapter.remove(heard.channel, message_id)
    assert teams.answers(chat) == []
    await bot.adapter.remove(heard.channel, message_id)

    assert await say(bot, heard, Reply("Another.")) != message_id, "what was removed is not taken for shown"
    assert [each.text for each in teams.answers(chat)] == ["Another."]


@pytest.mark.parametrize(
    "attachment",
    [picture(1600), picture(1024, noise=True), picture(512, "image/webp"), picture(300, "image/gif")],
    ids=["too wide", "too heavy", "webp", "gif"],
)
async def test_a_picture_is_made_to_fit(
    attachment: Attachment, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    await say(bot, heard, Reply("A fox.", (attachment,)))

    file = teams.answers(chat)[1].files[0]  # Teams itself refuses what is too wide or too heavy
    assert file.media_type in ("image/png", "image/jpeg")
    assert max(Image.open(io.BytesIO(file.data)).size) <= 1024


async def test_a_short_text_is_shown_and_what_cannot_be_given_in_a_group_is_told_of(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    small = Attachment("notes.txt", "text/plain", b"a fox")
    large = Attachment("song.wav", "audio/wav", b"x" * 200_000)
    broken = Attachment("fox.png", "image/png", b"\x89PNG\r\n\x1a\n")

    await say(bot, heard, Reply("Here:", (small, large, broken)))

    _, notes, song, fox = teams.answers(chat)
    assert notes.text == "**notes.txt**\n\n```\na fox\n```"
    assert "personal chat" in song.text
    assert "song.wav" in song.text
    assert "200 kB" in song.text
    assert "fox.png" in fox.text


async def test_a_file_that_teams_refuses_is_told_of(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("Here:"))
    teams.fail(400, method="POST", path=SENDS, code="BadArgument")

    await bot.adapter.edit(
        heard.channel, message_id, Reply("Here:", (Attachment("notes.txt", "text/plain", b"a fox"),))
    )

    assert "notes.txt" in teams.answers(chat)[-1].text


async def test_when_a_picture_fails_only_the_picture_is_tried_again(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    reply = Reply("A fox.", (picture(64),))
    message_id = await say(bot, heard, Reply("…", running=True))
    teams.fail(402, method="POST", path=SENDS)
    with pytest.raises(PostFailed):
        await bot.adapter.edit(heard.channel, message_id, reply)

    await bot.adapter.edit(heard.channel, message_id, reply)

    assert [len(each.files) for each in teams.answers(chat)] == [0, 1]


async def test_a_picture_that_may_have_arrived_is_not_sent_twice(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    reply = Reply("A fox.", (picture(64),))
    message_id = await say(bot, heard, Reply("…", running=True))
    teams.drop(method="POST")
    with pytest.raises(PostFailed):
        await bot.adapter.edit(heard.channel, message_id, reply)

    await bot.adapter.edit(heard.channel, message_id, reply)

    assert [len(each.files) for each in teams.answers(chat)] == [0, 1]


# When Teams is slow, strict or away.


@pytest.mark.parametrize("status", [412, 429])
async def test_a_post_that_has_to_wait_is_shown_once(
    status: int, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    fault = teams.fail(status, method="POST", headers={"Retry-After": "1"}, times=2)

    await say(bot, heard, Reply("Hello."))

    assert fault.hits == 2
    assert [each.text for each in teams.answers(chat)] == ["Hello."]
    first, second, third = teams.called("POST", SENDS)
    assert second.at - first.at >= 0.9
    assert third.at - second.at >= 0.9


@pytest.mark.parametrize("status", [412, 429, 500, 502, 503, 504])
async def test_an_edit_is_tried_again(
    status: int, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("…", running=True))
    teams.fail(status, method="PUT", body="<html>", times=2, after=status >= 500)

    await bot.adapter.edit(heard.channel, message_id, Reply("Hello."))

    assert teams.answers(chat)[0].text == "Hello."
    assert len(teams.called("PUT", SENDS)) == 3


async def test_an_edit_whose_answer_is_lost_is_tried_again(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("…", running=True))
    teams.drop(method="PUT")

    await bot.adapter.edit(heard.channel, message_id, Reply("Hello."))

    assert teams.answers(chat)[0].states == ["…", "Hello.", "Hello."]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 0])
async def test_a_post_that_may_have_arrived_is_not_repeated_by_itself(
    status: int, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    if status:
        teams.fail(status, method="POST", after=True)
    else:
        teams.drop(method="POST")

    with pytest.raises(PostFailed):
        await say(bot, heard, Reply("Hello."))

    assert len(teams.answers(chat)) == 1


async def test_what_is_said_while_teams_is_away_arrives_when_it_is_back(
    teams: FakeTeams, bot: TeamsBot, heard: Message, ada: Person
) -> None:
    port, chat_id = teams.port, heard.channel.id
    await teams.close()
    saying = asyncio.create_task(say(bot, heard, Reply("Hello.")))
    await asyncio.sleep(0.1)
    assert not saying.done()

    await teams.open(port)
    await saying

    assert [each.text for each in teams.answers(teams.conversations[chat_id])] == ["Hello."]


async def test_answers_keep_their_order_while_one_has_to_wait(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    teams.throttle(method="POST", retry_after=0.5)

    await asyncio.gather(*(say(bot, heard, Reply(str(number)), nonce=str(number)) for number in range(4)))

    assert [each.text for each in teams.answers(chat)] == ["0", "1", "2", "3"]


async def test_a_long_wait_is_not_waited_for(teams: FakeTeams, bot: TeamsBot, heard: Message) -> None:
    teams.throttle(method="POST", retry_after=3600)

    with pytest.raises(PostFailed, match="429"):
        await say(bot, heard, Reply("Hello."))
    with pytest.raises(PostFailed, match="wait"):
        await say(bot, heard, Reply("Hello."))

    assert len(teams.called("POST", SENDS)) == 1


async def test_the_bot_keeps_below_what_teams_takes_from_it(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("…", running=True))

    for number in range(12):
        await bot.adapter.edit(heard.channel, message_id, Reply(f"word {number}", running=True))

    assert teams.throttled == 0
    assert teams.answers(chat)[0].text == "word 11"


async def test_the_typing_sign_never_waits(teams: FakeTeams, bot: TeamsBot, heard: Message) -> None:
    held = teams.hold(method="POST")
    saying = asyncio.create_task(say(bot, heard, Reply("Hello.")))
    await teams.until(lambda: held.hits)

    async with asyncio.timeout(1):
        await bot.adapter.typing(heard.channel)
    held.release()
    await saying
    teams.fail(503, method="POST")
    await bot.adapter.typing(heard.channel)

    assert len(teams.called("POST", SENDS)) == 2


async def test_one_slow_conversation_does_not_hold_up_another(
    teams: FakeTeams, bot: TeamsBot, heard: Message, ada: Person
) -> None:
    group = teams.group("A group", ada)
    await teams.say(group, ada, "hello")
    elsewhere = bot.notes.last
    held = teams.hold(method="POST", path=heard.channel.id)
    saying = asyncio.create_task(say(bot, heard, Reply("slow")))
    await teams.until(lambda: held.hits)

    await say(bot, elsewhere, Reply("quick"))

    assert [each.text for each in teams.answers(group)] == ["quick"]
    held.release()
    await saying


@pytest.mark.parametrize("sign", ["x", "狐", "🦊", '"', "é"])
async def test_the_longest_message_fits_whatever_it_is_made_of(
    sign: str, teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    units = len(sign.encode("utf-16-le")) // 2
    text = sign * (bot.adapter.limits(heard.channel).characters // units)

    await say(bot, heard, Reply(text))

    assert teams.answers(chat)[0].text == text


# The token.


async def test_keys_and_token_are_fetched_once_for_many_messages(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    chats = [teams.personal(ada) for _ in range(5)]
    await asyncio.gather(*(teams.say(chat, ada, "hello") for chat in chats))

    await asyncio.gather(*(say(bot, heard, Reply("Hello.")) for heard in bot.notes.heard_))

    assert all(len(teams.answers(chat)) == 1 for chat in chats)
    assert len(teams.identity.given) == 1
    assert len(teams.called("GET", "/keys$")) == 1


async def test_a_refused_token_is_renewed_once(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    await say(bot, heard, Reply("one"), nonce="1")
    teams.identity.revoke()

    await asyncio.gather(*(say(bot, heard, Reply(word), nonce=word) for word in ("two", "three")))

    assert [each.text for each in teams.answers(chat)] == ["one", "two", "three"]
    assert len(teams.identity.given) == 2


async def test_a_late_refusal_of_the_old_token_does_not_cost_the_new_one(
    teams: FakeTeams, bot: TeamsBot, heard: Message, ada: Person
) -> None:
    group = teams.group("A group", ada)
    await teams.say(group, ada, "hello")
    held = teams.hold(method="POST", path=group.id)
    late = asyncio.create_task(say(bot, bot.notes.last, Reply("late")))
    await teams.until(lambda: held.hits)
    teams.identity.revoke()
    await say(bot, heard, Reply("early"))

    held.release()
    await late

    assert [each.text for each in teams.answers(group)] == ["late"]
    assert len(teams.identity.given) == 2


async def test_a_token_that_is_refused_twice_is_an_alarm_not_a_loop(
    teams: FakeTeams, bot: TeamsBot, heard: Message, capsys: pytest.CaptureFixture[str]
) -> None:
    teams.fail(401, method="POST", times=10)

    with pytest.raises(PostFailed, match="401"):
        await say(bot, heard, Reply("Hello."))

    assert len(teams.called("POST", SENDS)) == 2
    assert "TEAMS_APP_ID" in capsys.readouterr().out


async def test_a_sign_in_server_that_is_away_for_a_moment_costs_only_time(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    teams.fail(503, path="oauth2", times=3)
    async with TeamsBot(teams, store) as bot:
        await teams.say(chat, ada, "hello")
        await say(bot, bot.notes.last, Reply("Hello."))

    assert [each.text for each in teams.answers(chat)] == ["Hello."]


async def test_what_is_wrong_is_known_until_it_is_right_again(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.adapter._LOOK_EVERY", 0.05)
    monkeypatch.setattr("bot.adapters.teams.keys._RETRY_EVERY", 0.0)
    no_keys = teams.fail(500, path="/keys$", times=3)
    no_token = teams.fail(500, path="oauth2", times=6)
    async with TeamsBot(teams, store) as bot:
        await teams.until(lambda: no_keys.hits == 1)
        assert "keys" in bot.adapter.trouble
        await teams.until(lambda: no_keys.hits == 3 and "token" in bot.adapter.trouble)
        await teams.until(lambda: no_token.hits == 6 and not bot.adapter.trouble)


async def test_wrong_credentials_are_not_tried_again_and_again(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    async with TeamsBot(teams, store, teams_app_password="wrong") as bot:
        await teams.say(chat, ada, "hello")
        with pytest.raises(PostFailed, match="credentials"):
            await say(bot, bot.notes.last, Reply("Hello."))

    assert len(teams.called("POST", "oauth2")) <= 2


async def test_a_token_that_ends_soon_is_renewed_in_time(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.bearer._LEAST", 0.0)
    teams.identity.token_seconds = 299
    async with TeamsBot(teams, store) as bot:
        await teams.say(chat, ada, "hello")
        await say(bot, bot.notes.last, Reply("one"), nonce="1")
        await say(bot, bot.notes.last, Reply("two"), nonce="2")

    assert len(teams.identity.given) >= 2
    assert len(teams.answers(chat)) == 2


# Where the bot no longer is.


@pytest.mark.parametrize("told", [True, False], ids=["told so", "without a word"])
async def test_where_the_bot_was_removed_it_says_nothing_more(
    told: bool, teams: FakeTeams, bot: TeamsBot, ada: Person, heard: Message, chat: Conversation
) -> None:
    await teams.remove_bot(chat, ada, quietly=not told)

    for _ in range(3):
        with pytest.raises(Gone):
            await say(bot, heard, Reply("Hello."))
        await bot.adapter.typing(heard.channel)

    assert len(teams.called("POST", SENDS)) == (0 if told else 1)


async def test_who_speaks_again_is_answered_again(
    teams: FakeTeams, bot: TeamsBot, ada: Person, heard: Message, chat: Conversation
) -> None:
    await teams.remove_bot(chat, ada)
    chat.has_bot = True
    await teams.say(chat, ada, "are you back?")

    await say(bot, bot.notes.last, Reply("Yes."))

    assert [each.text for each in teams.answers(chat)] == ["Yes."]


async def test_an_answer_that_was_deleted_is_not_written_again(
    teams: FakeTeams, bot: TeamsBot, heard: Message, chat: Conversation
) -> None:
    message_id = await say(bot, heard, Reply("…", running=True))
    chat.shown = [each for each in chat.shown if each.id != message_id]

    with pytest.raises(Gone):
        await bot.adapter.edit(heard.channel, message_id, Reply("Hello."))

    await say(bot, heard, Reply("Another."), nonce="n2")
    assert [each.text for each in teams.answers(chat)] == ["Another."]


async def test_after_a_restart_the_bot_finds_its_way_back(
    teams: FakeTeams, store: Store, ada: Person, chat: Conversation
) -> None:
    thread = teams.thread("General", ada)
    async with TeamsBot(teams, store) as bot:
        await teams.say(chat, ada, "hello")
        await teams.say(thread, ada, "hello")
        private, public = bot.notes.heard_
        message_id = await say(bot, private, Reply("…", running=True))

    async with TeamsBot(teams, store) as bot:
        await bot.adapter.typing(private.channel)
        await bot.adapter.edit(private.channel, message_id, Reply("Interrupted by a restart."))
        await say(bot, public, Reply("Hello again."), nonce="n2")

    assert [each.text for each in teams.answers(chat)] == ["Interrupted by a restart."]
    assert [each.text for each in teams.answers(thread)] == ["Hello again."]


async def test_what_is_noted_of_a_conversation_lasts_while_it_is_spoken_in_and_no_longer(
    teams: FakeTeams, store: Store, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In days: the way back is noted anew now and then; what is about one answer goes with what was said."""
    conversation, began = teams.group("A group", ada), time.time()

    async def noted() -> dict[str, float]:
        """How many days each note lasts from the beginning on."""

        def work(connection: Connection) -> list[Any]:
            return list(
                connection.execute(text("SELECT name, julianday(until) AS day FROM notes WHERE platform <> ''"))
            )

        found = await store.database.read(work)
        return {row.name.partition(" ")[0]: round(row.day - 2440587.5 - began / 86400) for row in found}

    async with TeamsBot(teams, store, keep_days=7) as bot:
        await teams.say(conversation, ada, "draw a fox")
        heard = bot.notes.last
        await bot.adapter.post(heard.channel, Reply("Here:", (picture(8),)), answers=heard.id, nonce="1")
        assert await noted() == {"conversation": 400, "files": 7, "below": 7}

        writes = []
        real = store.note
        monkeypatch.setattr(store, "note", lambda *args, **kwargs: writes.append(args[1]) or real(*args, **kwargs))
        await teams.say(conversation, ada, "hello")
        assert writes == [], "not with every message"
        monkeypatch.setattr(addresses, "_today", lambda: int(began // 86400) + 40)
        await teams.say(conversation, ada, "hello")
        await teams.say(conversation, ada, "hello again")
        assert [each.partition(" ")[0] for each in writes] == ["conversation"]

        await erase(store, "teams", ada.aad)
        await teams.say(conversation, ada, "hello")
        assert len(writes) == 2, "what may have gone is noted again"
        await teams.remove_bot(conversation, ada)
        assert (await noted())["conversation"] == 7


async def test_the_bot_cannot_speak_where_nobody_spoke_to_it(bot: TeamsBot) -> None:
    with pytest.raises(Gone, match="nothing was ever heard"):
        await bot.adapter.post(Channel("teams", "a:unknown"), Reply("Hello."), answers="", nonce="n")


async def test_before_it_runs_the_bot_says_that_it_does_not(
    teams: FakeTeams, bot: TeamsBot, heard: Message, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.adapters.teams.wire._PATIENCE", 0.05)
    await bot.stop()

    with pytest.raises(PostFailed, match="not running"):
        await say(bot, heard, Reply("Hello."))


# Markdown.

MARKDOWN = {
    "plain *words* and **more**": "plain *words* and **more**",
    "# A heading": "**A heading**",
    "### A **bold** heading ###": "**A bold heading**",
    "#hashtag": "#hashtag",
    "one\n\n---\n\ntwo": "one\n\n\n\ntwo",
    "Title\n=====\ntext": "Title\n\ntext",
    "Roses are red,\nviolets are blue.\n\nEnd": "Roses are red,  \nviolets are blue.\n\nEnd",
    "# A heading\nand words:\n1. one\nmore of it\n2. two": "**A heading**  \nand words:\n1. one  \nmore of it\n2. two",
    "> one\n> two": "> one  \n> two",
    "a  \nb\\\nc": "a  \nb\\\nc",
    "see\n```\na\nb\n```\nand\nthen": "see\n```\na\nb\n```\nand  \nthen",
    "- [ ] to do\n- [x] done\n1. [X] too\n\n[ ] and [x]": "- ☐ to do\n- ☑ done\n1. ☑ too\n\n[ ] and [x]",
    "- a\n- b\n  - c": "- a\n- b\n  - c",
    "a < b and c > d": "a < b and c > d",
    'look <img src="https://evil.example/?q=secret"> here': 'look &lt;img src="https://evil.example/?q=secret"> here',
    "see <https://example.com/a>": "see https://example.com/a",
    "![a fox](https://evil.example/?q=secret) ran": "a fox ran",
    "![a fox][ref] ran": "a fox ran",
    "`<b>` and `![x](y)`": "`<b>` and `![x](y)`",
    "``a ` <b>`` <b>": "``a ` <b>`` &lt;b>",
    "```html\n<b># no heading</b>\n---\n```\n# yes": "```html\n<b># no heading</b>\n---\n```\n**yes**",
    "~~~\n```\n# x\n~~~\n# y": "~~~\n```\n# x\n~~~\n**y**",
    "```\nleft open": "```\nleft open\n```",
    "| a | bb |\n|---|:-:|\n| ccc | d |\n\nend": "```\na    bb\nccc  d\n```\n\nend",
    "half a character \ud800": "half a character \ufffd",
    "<at>Ada</at>": "&lt;at>Ada&lt;/at>",
}


@pytest.mark.parametrize(("text", "seen"), MARKDOWN.items())
def test_markdown_is_what_teams_can_show(text: str, seen: str) -> None:
    assert shown(text) == seen


@pytest.mark.parametrize(
    "sign",
    [
        " ![",
        "![a](",
        "[",
        "<",
        "<http://",
        "`",
        "`a",
        "|",
        "|-",
        "|\n",
        "# ",
        " #",
        "- ",
        "_",
        "=",
        "**",
        "~~~",
        "# a\n",
        "```\n",
        "a|b\n-|-\n",
    ],
)
def test_markdown_of_the_worst_kind_takes_no_time(sign: str) -> None:
    text = sign * (12_000 // len(sign))
    started = time.process_time()

    for worst in (text, f"# a{text}b", f"a|b\n{text}", f"{text}\n-|-\n{text}", f"# a{' ' * 12_000}b"):
        assert len(shown(worst)) < 4 * len(worst) + 100

    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("footer", "seen"),
    [
        ("small", "a\n\n_small_"),
        ("my_model", "a\n\n*my_model*"),
        ("a_b * c", "a\n\na_b * c"),
        ("two\nlines", "a\n\n_two lines_"),
    ],
)
def test_the_footer_is_in_italics(footer: str, seen: str) -> None:
    assert shown("a", footer) == seen
    assert shown("", footer) == seen.removeprefix("a\n\n")
