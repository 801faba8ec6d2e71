"""What is otherwise in the Agents Playground, a Teams without credentials on one's own machine."""

from collections.abc import AsyncIterator

import pytest

from bot.messages import Attachment, Button, Reply
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.checks import check_card
from tests.pictures import picture
from tests.teams_bot import TeamsBot

THUMBS = (Button("regenerate", "Regenerate"), Button("good", "👍"), Button("bad", "👎"))


@pytest.fixture
async def playground() -> AsyncIterator[FakeTeams]:
    async with FakeTeams(anonymous=True, place="_connector") as teams:
        yield teams
        assert teams.leaks == []


@pytest.fixture
async def bot(playground: FakeTeams, store: Store) -> AsyncIterator[TeamsBot]:
    async with TeamsBot(playground, store) as bot:
        yield bot


@pytest.fixture
def ada(playground: FakeTeams) -> Person:
    return playground.person("Ada")


async def answer(bot: TeamsBot, place: Conversation, teams: FakeTeams, person: Person, reply: Reply) -> str:
    await teams.say(place, person, "a fox?")
    heard = bot.notes.last
    return await bot.adapter.post(heard.channel, reply, answers=heard.id, nonce=heard.id[:25])


async def test_a_picture_is_shown_in_a_card(playground: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    chat = playground.personal(ada)

    await answer(
        bot, chat, playground, ada, Reply("A fox.", (Attachment("fox.png", "image/png", picture(), alt="a fox"),))
    )

    shown = playground.answers(chat)[-1]
    check_card(shown.card)
    (image,) = shown.card["body"]
    assert (image["type"], image["altText"]) == ("Image", "a fox")
    assert image["url"].startswith("data:image/png;base64,")


async def test_a_thumb_that_does_not_say_for_what_is_for_the_newest_answer(
    playground: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    chat = playground.personal(ada)
    value = {"actionName": "feedback", "actionValue": {"reaction": "dislike", "feedback": "It is no fox."}}
    before = await playground.invoke(chat, ada, "message/submitAction", value)
    await answer(bot, chat, playground, ada, Reply("A cat.", buttons=THUMBS))
    newest = await answer(bot, chat, playground, ada, Reply("A dog.", buttons=THUMBS))

    given = await playground.invoke(chat, ada, "message/submitAction", value)

    assert (before.json, given.json) == ({}, {})
    assert [(each.message_id, each.action, each.words) for each in bot.notes.presses] == [
        (newest, "bad", "It is no fox.")
    ]


async def test_a_page_that_is_opened_again_is_greeted_again(
    playground: FakeTeams, bot: TeamsBot, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(bot.adapter._hearing.greets, "_clock", lambda: now)
    chat = playground.personal(ada)

    await playground.add_bot(chat, ada)
    await playground.until(lambda: len(playground.answers(chat)) == 1)
    now += 3
    await playground.add_bot(chat, ada)
    await playground.until(lambda: len(playground.answers(chat)) == 2)

    assert all("Hello, I am Parley" in each.text for each in playground.answers(chat))


async def test_in_teams_itself_the_bot_says_hello_once_and_a_thumb_names_its_answer(store: Store) -> None:
    async with FakeTeams() as teams, TeamsBot(teams, store) as bot:
        ada = teams.person("Ada")
        chat = teams.personal(ada)
        value = {"actionName": "feedback", "actionValue": {"reaction": "like", "feedback": ""}}

        for _ in range(3):
            await teams.add_bot(chat, ada)
        await answer(bot, chat, teams, ada, Reply("A fox.", buttons=THUMBS))
        thumb = await teams.invoke(chat, ada, "message/submitAction", value)

        assert (thumb.json, bot.notes.presses) == ({}, [])
        assert [each.text[:5] for each in teams.answers(chat) if each.text] == ["Hello", "A fox"]
