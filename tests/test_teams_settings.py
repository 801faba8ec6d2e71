"""What owners set in Teams: a dialog of pages, as they see it and press through it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal

import pytest
from pydantic import create_model

from bot import Field, Pieces, Request, Settings, Skill, Turn
from bot.testing import ScriptedModel
from storage import Store
from tests.fakes.teams import Conversation, FakeTeams, Person
from tests.fakes.teams.checks import check_card
from tests.fakes.teams.world import Json
from tests.teams_bot import TeamsBot, at_full_speed
from tests.topics import topics_of


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    at_full_speed(monkeypatch)


@pytest.fixture
def ada(teams: FakeTeams) -> Person:
    return teams.person("Ada")


@pytest.fixture
def thread(teams: FakeTeams, ada: Person) -> Conversation:
    """A thread in a channel of a team that Ada owns."""
    thread = teams.thread("Foxes", ada)
    teams.graph.owners[f"teams/{teams.group_of(thread.channel)}"] = {ada.aad}
    return thread


@pytest.fixture
async def bot(teams: FakeTeams, store: Store) -> AsyncIterator[TeamsBot]:
    async with TeamsBot(teams, store, model=ScriptedModel()) as bot:
        yield bot


def parts(value: Any) -> Iterator[Json]:
    """Everything in a card, however deep, in the order in which it is seen."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    for each in value if isinstance(value, list) else ():
        yield from parts(each)


class Dialog:
    """The dialog in front of one person. `said` is what stands there once it has closed."""

    def __init__(self, teams: FakeTeams, place: Conversation, person: Person, locale: str = "en-GB") -> None:
        self._teams, self._place, self._person, self._locale = teams, place, person, locale
        self.card: Json = {}
        self.said = ""

    async def open(self) -> "Dialog":
        await self._send("config/fetch", {})
        return self

    async def _send(self, name: str, value: Json) -> None:
        answered = await self._teams.invoke(self._place, self._person, name, value, locale=self._locale)
        assert (answered.status, answered.json["responseType"]) == (200, "config"), answered.body
        config = answered.json["config"]
        self.card, self.said = {}, ""
        if config["type"] == "message":
            self.said = config["value"]
        else:
            self.card = config["value"]["card"]["content"]
            check_card(self.card)
            ids = [each["id"] for each in parts(self.card) if str(each.get("type")).startswith("Input.")]
            assert len(ids) == len(set(ids))

    @property
    def inputs(self) -> dict[str, Json]:
        return {each["id"]: each for each in parts(self.card) if str(each.get("type")).startswith("Input.")}

    @property
    def texts(self) -> list[str]:
        """Everything that can be read on the page, but not what is filled in."""
        return [
            str(each[name])
            for each in parts(self.card)
            for name in ("text", "title", "label", "errorMessage")
            if each.get(name) and not (each.get("type") == "Input.Toggle" and name == "label")
        ]

    @property
    def buttons(self) -> list[str]:
        return [each["title"] for each in parts(self.card) if each.get("type") == "Action.Submit"]

    async def press(self, title: str, row: str = "", /, **filled: Any) -> "Dialog":
        """Fill something in and press a button, the one in the `row` of this name; `__` in a name stands for a dot."""
        where = self.card
        if row:
            where = next(
                each for each in parts(self.card) if each.get("type") == "ColumnSet" and row in str(list(parts(each)))
            )
        action = next(
            each for each in parts(where) if each.get("type") == "Action.Submit" and each.get("title") == title
        )
        data = {name: each.get("value", "") for name, each in self.inputs.items()} | action["data"]
        data |= {name.replace("__", "."): value for name, value in filled.items()}
        await self._send("config/submit", {"data": data})
        return self

    async def set(self, **filled: Any) -> "Dialog":
        return await self.press("Save", **filled)


async def chosen(bot: TeamsBot, thread: Conversation, ada: Person, skill: str, *, here: bool = True) -> Json:
    """What is set for a skill, as storage has it."""
    return await bot.adapter.store.chosen_at(("teams", thread.tenant, thread.channel if here else ""), skill)


async def test_an_owner_sees_what_there_is_and_switches_it_off_and_on(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    dialog = await Dialog(teams, thread, ada).open()
    assert dialog.texts[0] == "Settings for Foxes"
    assert dialog.inputs["draw.enabled"] | {"value": "true", "title": "Draw"} == dialog.inputs["draw.enabled"]
    assert {"Chat", "Draw", "Transcribe", "Limits"} <= set(dialog.texts)

    await dialog.press("Save", draw__enabled="false")
    assert dialog.said == "Saved. It holds from the next message on."
    assert await chosen(bot, thread, ada, "draw") == {"enabled": False}
    assert await chosen(bot, thread, ada, "chat") == {}, "what was only looked at is not set"

    await teams.say(thread, ada, "draw a fox")
    await bot.core.idle()  # type: ignore[union-attr]
    assert "switched off" in teams.answers(thread)[-1].text

    dialog = await Dialog(teams, thread, ada).open()
    assert dialog.inputs["draw.enabled"]["value"] == "false"
    await dialog.set(draw__enabled="true")
    assert await chosen(bot, thread, ada, "draw") == {"enabled": True}


async def test_each_thing_has_a_page_of_its_own_and_the_way_back(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    dialog = await Dialog(teams, thread, ada).open()
    await dialog.press("Change…", "'Draw'", chat__enabled="false")
    assert dialog.texts[:4] == [
        "Draw",
        "Draw a picture of what you describe, or change one.",
        "Settings for Foxes",
        "Saved. It holds from the next message on.",
    ], "what was changed on the page that one leaves is set, and one is told"
    assert {"draw.most", "draw.who"} <= set(dialog.inputs)
    assert dialog.buttons == ["Save", "Back"]

    await dialog.press("Back", draw__most="3")
    assert dialog.texts[0] == "Settings for Foxes"
    assert await chosen(bot, thread, ada, "draw") == {}, "going back sets nothing"

    await dialog.press("Change…", "'Draw'")
    await dialog.set(draw__most="3")
    assert dialog.texts[:2] == ["Settings for Foxes", "Saved. It holds from the next message on."]
    assert await chosen(bot, thread, ada, "draw") == {"most": 3}
    assert await chosen(bot, thread, ada, "chat") == {"enabled": False}


async def test_what_cannot_be_is_told_at_its_field_and_nothing_filled_in_is_lost(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    dialog = await (await Dialog(teams, thread, ada).open()).press("Change…", "'Draw'")
    assert dialog.inputs["draw.most"]["errorMessage"] == "This has to be a number from 1 to 4."

    await dialog.set(draw__most="9", draw__who="moderators")

    at = [each.get("text") or each.get("id") for each in dialog.card["body"]]
    place = at.index("“How many pictures may be drawn at once” has to be a whole number from 1 to 4.")
    assert at[place + 1] == "draw.most", "it stands where the mistake is"
    assert (dialog.inputs["draw.most"]["value"], dialog.inputs["draw.who"]["value"]) == (9, "moderators")
    assert await chosen(bot, thread, ada, "draw") == {}

    await dialog.set(draw__most="4")
    assert await chosen(bot, thread, ada, "draw") == {"most": 4, "who": "moderators"}


async def test_a_secret_is_refused_on_the_page_where_it_was_written(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    dialog = await (await Dialog(teams, thread, ada).open()).press("Change…", "'Chat'")

    await dialog.set(chat__persona="the key is sk-proj-abcdefghijklmnopqrstuvwxyz012345")

    assert any("key or a password" in text for text in dialog.texts)
    assert dialog.inputs["chat.persona"]["value"].startswith("the key")


async def test_what_is_set_here_can_be_taken_back(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    await bot.adapter.store.choose(("teams", thread.tenant, ""), "draw", {"most": 2})
    dialog = await (await Dialog(teams, thread, ada).open()).press("Change…", "'Draw'")
    assert dialog.inputs["draw.most"]["value"] == 2
    assert "set for the whole organisation" in dialog.texts
    assert "Back to the organisation's settings" not in dialog.buttons, "there is nothing to take back"
    await dialog.set(draw__most="4", draw__who="moderators")

    await dialog.press("Change…", "'Draw'")
    assert dialog.texts.count("set here") == 2
    await dialog.press("Back to the organisation's settings")

    assert "What is usual holds again" in str(dialog.texts)
    assert dialog.inputs["draw.most"]["value"] == 2
    assert await chosen(bot, thread, ada, "draw") == {}


async def test_who_may_use_something_is_picked_from_the_organisation(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    bob, grace = teams.person("Bob"), teams.person("Grace")
    dialog = await (await Dialog(teams, thread, ada).open()).press("Change…", "'Draw'")
    picker = dialog.inputs["draw.besides"]
    assert (picker["isMultiSelect"], picker["choices.data"]["dataset"]) == (True, "graph.microsoft.com/users")

    await dialog.set(draw__who="moderators", draw__besides=f"{bob.aad},{grace.aad}")
    await dialog.press("Change…", "'Draw'")
    assert dialog.inputs["draw.besides"]["value"] == ",".join(sorted((bob.aad, grace.aad)))

    await teams.say(thread, bob, "draw a fox")
    await teams.say(thread, teams.person("Eve"), "draw a fox")
    await bot.core.idle()  # type: ignore[union-attr]
    told = ["for moderators" in each.text for each in teams.answers(thread) if each.text]
    assert (told[0], told[-1]) == (False, True), "Bob was named, Eve was not"

    await dialog.set(draw__besides="")
    assert await chosen(bot, thread, ada, "draw") == {"who": "moderators"}


async def test_a_chat_has_no_threads_to_choose(teams: FakeTeams, bot: TeamsBot, ada: Person) -> None:
    dialog = await Dialog(teams, teams.personal(ada), ada).open()

    assert dialog.texts[0] == "Settings for this chat"
    assert "Teams" not in dialog.texts


async def test_limits_are_set_like_everything_else_and_an_emptied_one_is_none(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    dialog = await (await Dialog(teams, thread, ada).open()).press("Change…", "'Limits'")
    assert "@limits.enabled" not in dialog.inputs
    assert dialog.inputs["@limits.turns_per_day"]["errorMessage"] == "This has to be a number, 0 or more."
    await dialog.set(**{"@limits__turns_per_day": "7"})
    assert await chosen(bot, thread, ada, "@limits") == {"turns_per_day": 7}

    await dialog.press("Change…", "'Limits'")
    await dialog.set(**{"@limits__turns_per_day": ""})
    assert await chosen(bot, thread, ada, "@limits") == {}


async def test_people_are_picked_who_may_use_what_is_for_owners(
    teams: FakeTeams, bot: TeamsBot, thread: Conversation, ada: Person
) -> None:
    bob, eve = teams.person("Bob"), teams.person("Eve")
    dialog = await Dialog(teams, thread, ada).open()
    await dialog.press("Change…", "Describe")
    picker = dialog.inputs["describe.besides"]
    assert (picker["isMultiSelect"], picker["choices.data"]["dataset"]) == (True, "graph.microsoft.com/users")
    await dialog.press("Save", describe__who="moderators", describe__besides=f"{eve.aad},{bob.aad}")
    picked = " ".join(sorted((bob.aad, eve.aad)))
    assert await chosen(bot, thread, ada, "describe") == {"who": "moderators", "besides": picked}

    await dialog.press("Change…", "Describe")
    assert dialog.inputs["describe.besides"]["value"] == picked.replace(" ", ",")
    await dialog.press("Save", describe__besides="")
    assert await chosen(bot, thread, ada, "describe") == {"who": "moderators"}


async def test_an_owner_may_use_what_is_for_moderators_whenever_they_ask_and_nobody_else(
    teams: FakeTeams, store: Store, thread: Conversation, ada: Person
) -> None:
    await store.choose(("teams", thread.tenant, thread.channel), "chat", {"who": "moderators"})
    bob = teams.person("Bob")
    async with TeamsBot(teams, store, model=ScriptedModel("Yes.")) as bot:
        assert bot.core is not None
        for person in (bob, ada):
            await teams.say(thread, person, f"May {person.name}?")
            await bot.core.idle()
        denied, answered = [each for each in teams.answers(thread) if each.text]
        assert "for moderators only" in denied.text
        assert answered.text == "Yes."

    async with TeamsBot(teams, store, model=ScriptedModel("Again.")) as bot:  # it knows nobody any more
        assert bot.core is not None
        await teams.press(thread, ada, teams.answers(thread)[-1], "Regenerate")
        await bot.core.idle()
        assert [each.text for each in teams.answers(thread) if each.text][1:] == ["Again."]


async def test_whom_the_operator_named_sets_what_holds_for_all_and_sees_which_it_is(
    teams: FakeTeams, store: Store, ada: Person, thread: Conversation
) -> None:
    async with TeamsBot(teams, store, model=ScriptedModel(), teams_moderators=(ada.aad.upper(),)) as bot:
        dialog = await Dialog(teams, thread, ada).open()
        await dialog.press("Settings for the whole organisation")
        assert dialog.texts[0] == "Settings for the whole organisation"
        await dialog.press("Change…", "'Draw'")
        await dialog.set(draw__most="3")
        assert dialog.texts[0] == "Settings for the whole organisation"
        await dialog.press("Settings for this channel")
        assert dialog.texts[0] == "Settings for Foxes"

        assert await chosen(bot, thread, ada, "draw", here=False) == {"most": 3}
        assert await chosen(bot, thread, ada, "draw") == {}


async def test_an_owner_of_one_team_does_not_decide_for_the_organisation(
    teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    dialog = await Dialog(teams, thread, ada).open()
    assert "Settings for the whole organisation" not in dialog.buttons

    forged = {"parley": {"do": "save", "everywhere": True}, "draw.enabled": "false"}
    answered = await teams.invoke(thread, ada, "config/submit", {"data": forged})

    assert "Only an owner" in answered.json["config"]["value"]
    assert await chosen(bot, thread, ada, "draw", here=False) == {}


@pytest.mark.parametrize("do", ["save", "next", "open", "reset", "back", "scope", "", "no such thing"])
async def test_who_is_no_owner_sets_nothing_whatever_they_send(
    do: str, teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    bob = teams.person("Bob")
    await bot.adapter.store.choose(("teams", thread.tenant, thread.channel), "draw", {"most": 2})

    said = [(await teams.invoke(thread, bob, "config/fetch", {})).json["config"]]
    data = {"parley": {"do": do, "skill": "draw"}, "draw.most": "1", "@teams.replies": "in a new post"}
    said.append((await teams.invoke(thread, bob, "config/submit", {"data": data})).json["config"])

    assert [each["type"] for each in said] == ["message"] * 2
    assert all("owner" in each["value"] for each in said)
    assert await chosen(bot, thread, ada, "draw") == {"most": 2}


async def test_without_the_permission_to_see_owners_nobody_is_one_and_graph_is_not_asked_again_at_once(
    teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    group = teams.group("A group", ada)
    for _ in range(2):
        assert "Only an owner" in (await Dialog(teams, group, ada).open()).said
        asked = len(teams.called("GET", "/graph/"))
    assert len(teams.called("GET", "/graph/")) == asked


@pytest.mark.parametrize("fault", [500, 429, "drop"])
async def test_while_graph_is_away_nobody_is_an_owner(
    fault: int | str, teams: FakeTeams, bot: TeamsBot, ada: Person
) -> None:
    group = teams.group("A group", ada)
    teams.graph.owners[f"chats/{group.id}"] = {ada.aad}
    if isinstance(fault, int):
        teams.fail(fault, path="/graph/")
    else:
        teams.drop(path="/graph/", times=2)

    assert "Only an owner" in (await Dialog(teams, group, ada).open()).said
    teams.faults.clear()
    assert (await Dialog(teams, group, ada).open()).texts[0] == "Settings for A group"


async def test_a_channel_can_have_its_answers_as_new_posts(teams: FakeTeams, store: Store, ada: Person) -> None:
    general, _ = teams.team("Foxes", ada)
    thread = teams.thread("", ada, channel=general)
    teams.graph.owners[f"teams/{teams.group_of(general.id)}"] = {ada.aad}
    async with TeamsBot(teams, store, model=ScriptedModel("None.")) as bot:
        dialog = await (await Dialog(teams, thread, ada).open()).press("Change…", "'Teams'")
        assert dialog.inputs["@teams.replies"]["value"] == "in the thread of the question"
        await dialog.set(**{"@teams__replies": "in a new post"})
        await teams.say(thread, ada, "news?")
        await bot.core.idle()  # type: ignore[union-attr]

    assert [(each.text, each.buttons) for each in teams.answers(general)] == [("None.", []), ("", ["Regenerate"])]
    assert teams.answers(thread) == []


def a_skill(number: int, fields: int, letters: int) -> Skill[Any, Any]:
    """A skill of somebody else's, with a form that knows no measure."""
    about = f"What field this is, at some length. {'狐' * letters}"
    texts: dict[str, Any] = {f"text{at}": (str, Field("", max_length=4000, description=about)) for at in range(fields)}
    texts |= {f"pick{at}": (Literal["one", "two", "three"], Field("one", description=about)) for at in range(fields)}
    settings = create_model(f"Settings{number}", __base__=Settings, **texts)

    class Made(Skill[settings, Request]):  # type: ignore[valid-type]
        __doc__ = f"Do thing {number}. {'狐' * letters}"
        name = f"thing{number}"

        async def reply(self, turn: Turn[Any, Any]) -> Pieces:
            yield ""

    return Made()


async def test_however_many_skills_there_are_every_page_fits_and_every_field_is_on_one(
    teams: FakeTeams, store: Store, ada: Person, thread: Conversation
) -> None:
    skills = [a_skill(number, 3, 40) for number in range(120)]
    async with TeamsBot(teams, store) as bot:
        bot.notes.topics = topics_of(skills)
        bot.notes.set_ = {skill.name: {"enabled": True} for skill in skills}
        dialog = await Dialog(teams, thread, ada).open()
        seen = set(dialog.inputs)
        pages = 1
        while "Save and go on" in dialog.buttons:
            await dialog.press("Save and go on")
            seen |= set(dialog.inputs)
            pages += 1

    assert {f"thing{number}.enabled" for number in range(120)} <= seen
    assert 2 <= pages <= 10
    assert "Back" in dialog.buttons


async def test_a_form_that_is_too_long_for_a_page_has_several(
    teams: FakeTeams, store: Store, ada: Person, thread: Conversation
) -> None:
    async with TeamsBot(teams, store) as bot:
        skill = a_skill(1, 12, 60)
        bot.notes.topics = topics_of([skill])
        text = "狐 said the hen.\n" * 200
        bot.notes.set_ = {
            "thing1": {"enabled": True, "who": "everybody", "text1": "x" * 40_000}
            | {f"text{at}": text for at in range(2, 12)}
        }
        dialog = await (await Dialog(teams, thread, ada).open()).press("Change…", "Thing1")
        titles, seen = [dialog.texts[0]], dict(dialog.inputs)
        assert "This text is too long to be changed here." in dialog.texts
        while "Save and go on" in dialog.buttons:
            await dialog.press("Save and go on", thing1__text5="new")
            titles.append(dialog.texts[0])
            seen |= dialog.inputs
        await dialog.set(thing1__pick11="three")

    assert titles == [f"Thing1 ({number}/{len(titles)})" for number in range(1, len(titles) + 1)]
    assert len(titles) > 2
    assert {f"thing1.text{at}" for at in range(12)} - set(seen) == {"thing1.text1"}
    assert [each[1:] for each in bot.notes.configured][-1] == ("thing1", {"pick11": "three"}, False)
    assert ("thing1", {"text5": "new"}, False) in [each[1:] for each in bot.notes.configured]
    assert not any("text1" in each[2] for each in bot.notes.configured), "what is not shown is not touched"


@pytest.mark.parametrize("locale", ["de-DE", "es-ES", "fr-FR", "ja-JP"])
async def test_the_dialog_speaks_the_language_of_whoever_opens_it(
    locale: str, teams: FakeTeams, bot: TeamsBot, ada: Person, thread: Conversation
) -> None:
    english = await Dialog(teams, thread, ada).open()
    theirs = await Dialog(teams, thread, ada, locale).open()
    assert len(theirs.texts) == len(english.texts)
    same = {text for text in english.texts if text in theirs.texts}
    assert same <= {"Chat", "Transcribe", "Describe", "Search", "Speak", "Teams"}, "names may be the same"
    for skill in ("draw", "chat", "transcribe", "@limits"):
        data = {"parley": {"do": "open", "skill": skill}}
        pages = []
        for language in ("en-GB", locale):
            answered = await teams.invoke(thread, ada, "config/submit", {"data": data}, locale=language)
            pages.append(str([each for each in parts(answered.json) if "text" in each or "label" in each]))
        english_words = [
            word for word in ("Who may use it", "Settings for", "Whether", "has to be") if word in pages[1]
        ]
        assert pages[0] != pages[1]
        assert english_words == [], locale
