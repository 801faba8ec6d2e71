"""What moderators choose: which skill works where, for whom, with which model, and how that is taken back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot import Button, Pieces, Skill, Turn, UserError
from bot.adapter import Limits
from bot.config import Config
from bot.messages import Message, Person, Press
from bot.models import Choice, Models
from bot.policy import LIMITS
from bot.testing import ScriptedModel
from storage import Store
from tests.room import Room

ADA = Person("ada", "Ada")
MO = Person("mo", "Mo", moderator=True)


class Count(Skill):
    """Count."""

    name = "count"

    async def reply(self, turn: Turn) -> Pieces:
        yield "One."
        yield Button("more", "Count on")

    def offers(self, settings: object, answer: str, models: object) -> Button | None:
        return Button("count", "Count")


@pytest.fixture
async def room(config: Config, store: Store) -> AsyncIterator[Room]:
    room = Room(config, store, limits=Limits(pace=0.0, typing=60.0, buttons=5))
    room.skills["count"] = Count()
    async with room.again() as room:
        yield room


async def said(room: Room, text: str, person: Person) -> tuple[Message, str]:
    message = replace(room.adapter.message(text), author=person)
    await room.hear(message)
    return message, room.adapter.answers_to(message)[-1].text


def offered(room: Room, question: Message) -> list[str]:
    return [button.label for button in room.adapter.answers_to(question)[-1].buttons]


async def test_a_skill_for_moderators_is_theirs_by_word_by_button_by_offer_and_as_a_tool(room: Room) -> None:
    model = room.model
    assert isinstance(model, ScriptedModel)
    question, answer = await said(room, "count", ADA)
    assert answer == "One."
    with pytest.raises(UserError, match="“who” can be everybody, moderators"):
        await room.dispatch.configure(question.channel, MO, "count", {"who": "nobody"})
    await room.dispatch.configure(question.channel, MO, "count", {"who": "moderators"})
    refused = "“count” is for moderators only in this channel."
    assert (await said(room, "count", ADA))[1] == refused
    below = next(each.id for each in room.adapter.shown.values() if each.answers == question.id)
    for person, expected in ((ADA, refused), (MO, "One.")):
        press = Press(f"by {person.id}", question.channel, person, below, "more", datetime.now(UTC))
        assert await room.dispatch.pressed(press) == ""
        await room.dispatch.idle()
        assert list(room.adapter.shown.values())[-1].reply.text == expected
    asked, _ = await said(room, "Hello there.", ADA)
    assert "count" not in model.tools
    assert "Count" not in offered(room, asked)
    asked, _ = await said(room, "Hello there.", MO)
    assert "count" in model.tools
    assert "Count" in offered(room, asked)
    assert (await said(room, "count", MO))[1] == "One."


async def test_whoever_asks_for_an_answer_anew_has_the_rights_of_now(room: Room) -> None:
    question, answer = await said(room, "count", MO)
    await room.dispatch.configure(question.channel, MO, "count", {"who": "moderators"})
    assert answer == "One."
    below = next(each.id for each in room.adapter.shown.values() if each.answers == question.id)
    no_more = Person("mo", "Mo")
    await room.dispatch.pressed(Press("again", question.channel, no_more, below, "regenerate", datetime.now(UTC)))
    await room.dispatch.idle()
    assert room.adapter.answers_to(question)[-1].text == "“count” is for moderators only in this channel."


async def test_in_a_chat_of_ones_own_nobody_gets_past_what_the_community_has_set(room: Room) -> None:
    """There everybody decides for themselves, as the platform says, but not more than all the others may."""
    community = replace(room.adapter.message("").channel, tenant="works")
    own = replace(community, id="own", kind="direct")
    me, operator = Person("me", "Me", moderator=True), Person("op", "Op", operator=True)
    await room.dispatch.configure(community, MO, "count", {"who": "moderators"}, everywhere=True)
    await room.dispatch.configure(community, MO, "draw", {"enabled": False}, everywhere=True)
    for name, chosen in (
        ("count", {"who": "everybody"}),
        ("count", {"besides": "me"}),
        (LIMITS, {"turns_per_day": 99}),
    ):
        with pytest.raises(UserError, match="cannot be set for a chat of your own"):
            await room.dispatch.configure(own, me, name, chosen)
    await room.dispatch.configure(own, me, "draw", {"enabled": False})
    await room.dispatch.configure(own, me, "draw", {"enabled": True})

    async def answer(text: str, person: Person) -> str:
        message = replace(room.adapter.message(text), author=person, channel=own)
        await room.hear(message)
        return room.adapter.answers_to(message)[-1].text

    assert await answer("count", me) == "“count” is for moderators only in this channel."
    assert "switched off" in await answer("draw a fox", me)
    assert await answer("count", operator) == "One."
    await room.dispatch.configure(own, me, "chat", {"persona": "You are a pirate."})
    names = {command.name: command for command in room.dispatch.settable(own)}
    assert LIMITS not in names
    assert "who" not in [field.name for field in names["count"].settings.fields]


async def test_roles_and_people_may_use_what_is_for_moderators_where_they_are_named(room: Room) -> None:
    channel = room.adapter.message("").channel
    await room.dispatch.configure(channel, MO, "count", {"who": "moderators", "besides": "painters, eve"})
    people = {"ada": (), "eve": (), "bea": ("sailors", "painters"), "cai": ("painter",)}
    german = Person("gerd", "Gerd", locale="de")
    assert "„count“ ist in diesem Kanal für Moderatoren" in (await said(room, "count", german))[1]
    answers = {name: (await said(room, "count", Person(name, name, roles=roles)))[1] for name, roles in people.items()}
    refused = "“count” is for moderators, and for whom they have named, in this channel."
    assert answers == {"ada": refused, "eve": "One.", "bea": "One.", "cai": refused}


async def test_what_was_set_here_is_taken_back_to_what_goes_for_all(room: Room) -> None:
    channel = room.adapter.message("").channel

    async def most() -> tuple[int, str]:
        values, origins = await room.dispatch.choices(channel), await room.dispatch.origins(channel)
        return values["draw"]["most"], origins["draw"]["most"]

    assert (await most())[1] == "default"
    await room.dispatch.configure(channel, MO, "draw", {"most": 3}, everywhere=True)
    await room.dispatch.configure(channel, MO, "draw", {"most": 1, "enabled": False})
    assert await most() == (1, "here")
    with pytest.raises(UserError, match="Only a moderator"):
        await room.dispatch.configure(channel, ADA, "draw", {}, reset=("most",))
    await room.dispatch.configure(channel, MO, "draw", {}, reset=("most",))
    assert await most() == (3, "community")
    assert (await room.dispatch.origins(channel))["draw"]["enabled"] == "here", "the rest stays as it was set"
    await room.dispatch.configure(channel, MO, "draw", {}, everywhere=True, reset=("most",))
    assert (await most())[1] == "default"


async def test_a_number_that_is_emptied_holds_no_more(room: Room) -> None:
    channel = room.adapter.message("").channel
    await room.dispatch.configure(channel, MO, LIMITS, {"turns_per_day": 30}, everywhere=True)
    await room.dispatch.configure(channel, MO, LIMITS, {"turns_per_day": 20, "turns_per_minute": 2})
    await room.dispatch.configure(channel, MO, LIMITS, {"turns_per_day": None})
    values, origins = await room.dispatch.choices(channel), await room.dispatch.origins(channel)
    assert (values[LIMITS]["turns_per_day"], origins[LIMITS]["turns_per_day"]) == (30, "community")
    assert values[LIMITS]["turns_per_minute"] == 2


async def test_models_are_chosen_from_a_list_where_there_are_several(config: Config, store: Store) -> None:
    usual, other = ScriptedModel("The usual."), ScriptedModel("The other.")
    other.name = "other"
    models = Models({"chat": [Choice(usual, "plain")]}, offered={"chat": [Choice(other, "wise")]})
    async with Room(config, store, models=models) as room:
        channel = room.adapter.message("").channel
        limits = next(each for each in room.dispatch.settable(channel) if each.name == LIMITS)
        fields = {field.name: field for field in limits.settings.fields}
        assert fields["chat_model"].choices == ("usual", "scripted:plain", "other:wise")
        assert "image_model" not in fields, "there is nothing to choose"
        assert (await room.dispatch.choices(channel))[LIMITS]["chat_model"] == "usual"
        await room.dispatch.configure(channel, MO, LIMITS, {"chat_model": "other:wise"}, everywhere=True)
        assert (await room.ask("Who are you?")).text == "The other."
        await room.dispatch.configure(channel, MO, LIMITS, {"chat_model": "usual"})
        assert (await room.ask("And here?")).text == "The usual."
        await room.dispatch.configure(channel, MO, LIMITS, {}, reset=("chat_model",))
        assert (await room.ask("And now?")).text == "The other."
