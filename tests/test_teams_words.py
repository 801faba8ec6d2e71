"""Buttons in Teams by their words: in the language of who asked, written instead of pressed, and after a restart."""

import asyncio

import pytest

from bot.messages import Button, Message, Reply
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.teams_bot import TeamsBot, at_full_speed

AGAIN = (Button("regenerate", "Regenerate"), Button("good", "👍"), Button("bad", "👎"))


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    at_full_speed(monkeypatch)


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def bob(teams: FakeTeams) -> Person:
    return teams.person("Bob")


@pytest.fixture
def group(teams: FakeTeams, ada: Person, bob: Person) -> Conversation:
    return teams.group("A group", ada, bob)


async def ask(teams: FakeTeams, bot: TeamsBot, place: Conversation, person: Person, text: str, locale: str) -> None:
    """Somebody who has set Teams to a language asks, and the whole bot has answered."""
    assert (await teams.say(place, person, text, locale=locale)).status in (200, 202)
    assert bot.core is not None
    await bot.core.idle()


async def post(bot: TeamsBot, heard: Message, reply: Reply) -> str:
    message_id = await bot.adapter.post(heard.channel, Reply("…", running=True), answers=heard.id, nonce=heard.id)
    await bot.adapter.edit(heard.channel, message_id, reply)
    return message_id


async def test_buttons_speak_to_who_asked_and_not_to_who_spoke_last(
    teams: FakeTeams, store: Store, group: Conversation, ada: Person, bob: Person
) -> None:
    async with TeamsBot(teams, store) as bot:
        await teams.say(group, ada, "Hallo", locale="de-DE")
        german = bot.notes.last
        await teams.say(group, bob, "hola", locale="es-ES")
        await post(bot, german, Reply("Hallo.", buttons=AGAIN))
        await post(bot, bot.notes.last, Reply("Hola.", buttons=AGAIN))

    assert [each.buttons for each in teams.answers(group)[1::2]] == [["Neu schreiben"], ["Volver a generar"]]


@pytest.mark.parametrize("kind", ["personal", "group"])
async def test_they_still_do_after_a_restart(
    kind: str, teams: FakeTeams, store: Store, group: Conversation, ada: Person, bob: Person
) -> None:
    place = teams.personal(ada) if kind == "personal" else group
    async with TeamsBot(teams, store, model=ScriptedModel("Eins.", "Zwei.")) as bot:
        await ask(teams, bot, place, ada, "Hallo", "de-DE")
        text, card = teams.answers(place)
    async with TeamsBot(teams, store, model=ScriptedModel("Zwei.")) as bot:
        if kind == "group":
            await teams.say(place, bob, "hola", locale="es-ES")
            await bot.core.idle()  # type: ignore[union-attr]
        await teams.press(place, ada, card, "Neu schreiben")
        await teams.until(lambda: text.text == "Zwei.")
        await bot.core.idle()  # type: ignore[union-attr]

    assert card.buttons == ["Neu schreiben"]


async def test_what_was_interrupted_is_finished_in_the_language_of_the_conversation(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    chat = teams.personal(ada)
    async with TeamsBot(teams, store) as bot:
        await teams.say(chat, ada, "Hallo", locale="de-DE")
        heard = bot.notes.last
        message_id = await bot.adapter.post(heard.channel, Reply("…", running=True), answers=heard.id, nonce="1")
    async with TeamsBot(teams, store) as bot:
        await bot.adapter.edit(heard.channel, message_id, Reply("Hallo.", buttons=AGAIN))

    assert teams.answers(chat)[1].buttons == ["Neu schreiben"]


@pytest.mark.parametrize("words", ["Neu schreiben", "neu schreiben!", "Regenerate", " regenerate. "])
async def test_a_label_that_is_written_is_pressed_also_after_a_restart(
    words: str, teams: FakeTeams, store: Store, group: Conversation, ada: Person
) -> None:
    async with TeamsBot(teams, store, model=ScriptedModel("Eins.")) as bot:
        await ask(teams, bot, group, ada, "Hallo", "de-DE")
    async with TeamsBot(teams, store, model=ScriptedModel("Zwei.")) as bot:
        await ask(teams, bot, group, ada, words, "de-DE")

    assert [each.text for each in teams.answers(group)] == ["Zwei.", ""]


async def test_who_speaks_another_language_than_who_asked_writes_it_in_their_own(
    teams: FakeTeams, store: Store, group: Conversation, ada: Person, bob: Person
) -> None:
    teams.graph.owners[f"chats/{group.id}"] = {bob.aad}
    async with TeamsBot(teams, store, model=ScriptedModel("Eins.", "Zwei.")) as bot:
        await ask(teams, bot, group, ada, "Hallo", "de-DE")
        await ask(teams, bot, group, bob, "再生成", "ja-JP")

    assert [each.text for each in teams.answers(group)] == ["Zwei.", ""]


async def test_who_may_not_is_told_so_and_nothing_happens(
    teams: FakeTeams, store: Store, group: Conversation, ada: Person, bob: Person
) -> None:
    async with TeamsBot(teams, store, model=ScriptedModel("Eins.", "Zwei.")) as bot:
        await ask(teams, bot, group, ada, "Hallo", "de-DE")
        await ask(teams, bot, group, bob, "regenerate", "en-GB")
        await teams.until(lambda: len(teams.answers(group)) == 3)

    assert [each.text for each in teams.answers(group)] == ["Eins.", "", "Only who asked, or a moderator, can do this."]


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
async def test_in_a_reply_it_means_the_answer_that_is_replied_to(
    restart: bool, teams: FakeTeams, store: Store, ada: Person
) -> None:
    chat = teams.personal(ada)
    async with TeamsBot(teams, store, model=ScriptedModel("Red.", "Blue.", "Scarlet.")) as bot:
        await ask(teams, bot, chat, ada, "Say red", "en-GB")
        await ask(teams, bot, chat, ada, "Say blue", "en-GB")
        red = teams.answers(chat)[0]
        if not restart:
            await teams.say(chat, ada, "Regenerate", quote=red)
            await teams.until(lambda: red.text == "Scarlet.")
            await bot.core.idle()  # type: ignore[union-attr]
    if restart:
        async with TeamsBot(teams, store, model=ScriptedModel("Scarlet.")) as bot:
            await teams.say(chat, ada, "Regenerate", quote=red)
            await teams.until(lambda: red.text == "Scarlet.")
            await bot.core.idle()  # type: ignore[union-attr]

    assert [each.text for each in teams.answers(chat)] == ["Scarlet.", "", "Blue.", ""]


async def test_an_answer_that_is_gone_says_so_to_a_press_and_to_words(
    teams: FakeTeams, store: Store, ada: Person
) -> None:
    chat = teams.personal(ada)
    async with TeamsBot(teams, store, model=ScriptedModel("Rot.")) as bot:
        await ask(teams, bot, chat, ada, "Sag rot", "de-DE")
        red, card = teams.answers(chat)
        await teams.remove(chat, ada, next(each.id for each in chat.shown if not each.by_bot))
        asked = len(bot.notes.heard_)

        pressed = await teams.press(chat, ada, card, "Neu schreiben")
        await teams.say(chat, ada, "Neu schreiben", quote=red, locale="de-DE")

        await teams.until(lambda: "zu alt für ihre Knöpfe" in teams.answers(chat)[-1].text)
        assert pressed.json["value"], "said in the call, to who pressed"
        assert len(bot.notes.heard_) == asked


async def test_words_that_are_on_no_button_are_just_words(teams: FakeTeams, store: Store, ada: Person) -> None:
    chat = teams.personal(ada)
    async with TeamsBot(teams, store, model=ScriptedModel("One.", "Two.")) as bot:
        await ask(teams, bot, chat, ada, "Hello", "en-GB")
        await ask(teams, bot, chat, ada, "Continue", "en-GB")  # nothing was cut short
        answers = [each.text for each in teams.answers(chat) if each.text]
    async with TeamsBot(teams, store, model=ScriptedModel("Three.")) as bot:
        await ask(teams, bot, chat, ada, "Stop", "en-GB")

    assert answers == ["One.", "Two."]
    assert [each.text for each in teams.answers(chat) if each.text] == ["One.", "Two.", "Three."]


async def test_two_quick_presses_count_as_one(teams: FakeTeams, store: Store, group: Conversation, ada: Person) -> None:
    async with TeamsBot(teams, store, model=ScriptedModel("One.", "Two.", "Three.")) as bot:
        await ask(teams, bot, group, ada, "Hello", "en-GB")
        text, card = teams.answers(group)
        answered = await asyncio.gather(*(teams.press(group, ada, card, "Regenerate") for _ in range(3)))
        await bot.core.idle()  # type: ignore[union-attr]
        again = await teams.deliver(answered[0].activity)  # Teams was not sure that it arrived
        await bot.core.idle()  # type: ignore[union-attr]

    assert [each.json["value"] for each in (*answered, again)] == ["I am on it."] * 4
    assert text.states[-1] == "Two."


async def test_what_an_old_client_has_to_be_told_is_told_to_its_person_only(
    teams: FakeTeams, store: Store, group: Conversation, ada: Person, bob: Person
) -> None:
    chat = teams.personal(bob)
    async with TeamsBot(teams, store, model=ScriptedModel("One.")) as bot:
        await ask(teams, bot, group, ada, "Hello", "en-GB")
        data = teams.answers(group)[1].card["actions"][0]["fallback"]["data"]
        before = len(teams.answers(group))

        await teams.deliver(teams.activity(group, bob, value=data))

        await teams.until(lambda: teams.answers(chat))
    assert "Only who asked" in teams.answers(chat)[0].text
    assert len(teams.answers(group)) == before
