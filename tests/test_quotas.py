"""How much people may ask for, and how much may be spent: what they are told, and that a restart forgets nothing."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.budget import MICRO, Meter, Quotas, Seldom, in_words, stand_in
from bot.config import Config
from bot.errors import UserError
from bot.messages import Person
from bot.models import Choice, Models, Role, Usage
from bot.policy import LIMITS
from bot.testing import ScriptedModel
from storage import Store
from tests.room import Room, Stepwise


class Dear(ScriptedModel):
    """A model that is paid for: so many micro-dollars a call, or nobody knows how many."""

    name = "openai"

    def __init__(self, price: int | None, *says: str) -> None:
        super().__init__(*says)
        self.price = price

    def cost(self, usage: Usage) -> int | None:
        return self.price


async def ask(room: Room, times: int, text: str = "Hi", **given: Any) -> list[list[str]]:
    """What is seen in answer to each of so many questions, asked one after the other."""
    seen = []
    for number in range(times):
        message = room.adapter.message(f"{text} {number}", **given)
        await room.hear(message)
        seen.append([reply.text for reply in room.adapter.answers_to(message)])
    return seen


def quoted(room: Room, **quotas: Any) -> Room:
    return room.again(quotas=replace(Quotas(), **quotas))


async def test_the_eleventh_question_of_a_minute_is_refused_once_and_then_in_silence(room: Room, store: Store) -> None:
    seen = await ask(room, 13)
    assert seen[9] == ["You said: Hi 9"]
    assert seen[10][0].startswith("You may ask me 10 times a minute, and you have. Please ask again in ")
    assert seen[11:] == [[], []]
    assert len(room.model.asked) == 10  # type: ignore[attr-defined]
    assert await store.undone() == []
    assert (await ask(room, 1, author="Bob"))[0] == ["You said: Hi 0"]
    assert (await ask(room, 1, channel="elsewhere"))[0] == [], (
        "it is the person who has asked enough, wherever they are"
    )


async def test_three_restarts_inside_a_minute_change_nothing_about_it(room: Room) -> None:
    for times in (4, 4, 4):
        await ask(room, times)
        room = room.again()
    assert len(room.model.asked) == 10  # type: ignore[attr-defined]


async def test_a_day_an_hour_of_a_community_and_new_accounts_have_their_own_numbers(room: Room) -> None:
    room = quoted(room, turns_per_minute=100, turns_per_day=5, community_turns_per_hour=6)
    assert "5 times a day" in (await ask(room, 6))[5][0]
    stranger = Person("eve", "Eve", new=True)
    messages = [replace(room.adapter.message(f"{number}?"), author=stranger) for number in range(4)]
    for message in messages:
        await room.hear(message)
    assert "3 times a day" in room.adapter.answers_to(messages[3])[0].text
    talk = {"kind": "channel", "tenant": "guild"}
    for author in ("Bob", "Cleo"):
        await ask(room, 3, author=author, **talk)
    (seen,) = await ask(room, 1, author="Dan", **talk)
    assert seen[0].startswith("I may answer 6 questions an hour in this community, and I have.")
    room = quoted(room, community_turns_per_hour=6)
    (seen,) = await ask(room, 1, author="Emil", **talk)
    assert "in this community" in seen[0], "a restart has not forgotten it"
    assert (await ask(room, 1, author="Emil", tenant="guild"))[0] == ["You said: Hi 0"], "a private chat is no share"


async def test_whoever_runs_the_bot_has_no_quota(room: Room) -> None:
    owner = Person("owner", "You", operator=True)
    messages = [replace(room.adapter.message(f"{number}?"), author=owner) for number in range(12)]
    for message in messages:
        await room.hear(message)
    assert all(room.adapter.answers_to(message)[0].text.startswith("You said") for message in messages)


async def test_pictures_have_a_number_of_their_own_also_after_a_restart(room: Room) -> None:
    room = quoted(room, turns_per_minute=100, pictures_per_day=2)
    seen = await ask(room, 3, "draw a fox")
    assert seen[2][0].startswith("I may draw 2 pictures a day for you. Please ask again in 2")
    assert len(room.model.drawn) == 2  # type: ignore[attr-defined]
    assert "2 pictures a day" in (await ask(quoted(room, pictures_per_day=2), 1, "draw a fox"))[0][0]


async def test_a_recording_that_was_begun_is_heard_to_its_end_and_then_it_is_enough(room: Room) -> None:
    room = quoted(room, audio_minutes_per_day=1)
    account = room.conversation.allowance
    message = room.adapter.message("")
    turn = await account.spending(message, {})
    for _ in range(12):  # the parts of an hour
        part = Usage("openai", "gpt-transcribe", "speech", seconds=300)
        turn.hold(part, 0)
        turn.spend(part)
    turn.settle()
    with pytest.raises(UserError, match=r"1 minutes a day for you. Please ask again in 24 hours"):
        (await account.spending(message, {})).hold(part, 0)


async def test_a_picture_that_came_to_nothing_is_not_counted(config: Config, store: Store) -> None:
    class Failing(ScriptedModel):
        async def image(self, *args: Any, **given: Any) -> Any:
            raise RuntimeError("no")

    async with Room(config, store, model=Failing(), quotas=Quotas(pictures_per_day=1)) as room:
        await ask(room, 2, "draw a fox")
        room = room.again(model=room.model, quotas=Quotas(pictures_per_day=1))
        assert "went wrong" in (await ask(room, 2, "draw a fox"))[1][0]


async def test_moderators_may_lower_what_may_be_asked_but_not_raise_it(room: Room) -> None:
    channel = room.adapter.message("").channel
    moderator = Person("mo", "Mo", moderator=True)
    await room.dispatch.configure(channel, moderator, LIMITS, {"turns_per_minute": 2, "turns_per_day": 1000})
    assert (await room.dispatch.choices(channel))[LIMITS]["turns_per_minute"] == 2
    assert "2 times a minute" in (await ask(room, 3))[2][0]
    await room.dispatch.configure(channel, moderator, LIMITS, {"turns_per_minute": 1000})
    assert "10 times a minute" in (await ask(room, 11, author="Bob"))[10][0]


async def test_no_more_is_spent_than_a_community_and_everybody_may(config: Config, store: Store) -> None:
    quotas = Quotas(community_dollars_per_day=0.25, dollars_per_day=0.45)
    async with Room(config, store, model=Dear(100_000, "fine"), quotas=quotas) as room:
        talk = {"kind": "channel", "tenant": "guild"}
        seen = await ask(room, 3, **talk)
        assert seen[:2] == [["fine"], ["fine"]]
        assert seen[2][0].startswith(
            "What may be spent on models in a day for this community is used up. Please ask again"
        )
        again = room.again(quotas=quotas)
        assert "is used up" in (await ask(again, 1, **talk))[0][0], "a restart has not forgotten it"
        seen = await ask(again, 3, author="Bob")
        assert seen[:2] == [["fine"], ["fine"]]
        assert "for everybody is used up" in seen[2][0]
        assert "draw" in (await again.ask("help", author="Bob")).text, "what costs nothing is still there"
        assert len(room.model.asked) == 4  # type: ignore[attr-defined]


async def test_what_is_running_is_held_back_so_that_many_at_once_do_not_overdraw(config: Config, store: Store) -> None:
    class DearAndSlow(Stepwise):
        def cost(self, usage: Usage) -> int | None:
            return 100_000

    model = DearAndSlow("fine")
    async with Room(config, store, model=model, quotas=Quotas(dollars_per_day=0.25)) as room:
        messages = [room.adapter.message("Hi", channel=f"{n}", author=f"P{n}") for n in range(5)]
        await asyncio.gather(*(room.dispatch.heard(each) for each in messages))
        for _ in messages:
            model.steps.release()
        await room.dispatch.idle()
        assert len(model.asked) == 2
        seen = [room.adapter.answers_to(message)[0].text for message in messages]
        assert sorted(text == "fine" for text in seen) == [False] * 3 + [True] * 2


async def test_what_a_crash_may_have_cost_is_booked(config: Config, store: Store) -> None:
    model = Stepwise("never")
    model.cost = lambda usage: 200_000  # type: ignore[method-assign]
    quotas = Quotas(dollars_per_day=0.25)
    room = Room(config, store, model=model, quotas=quotas)
    await room.dispatch.heard(room.adapter.message("Hi"))
    while not model.asked:
        await asyncio.sleep(0)
    # The process is gone here.
    later = Room(config, store, model=Dear(100_000, "fine"), adapter=room.adapter, quotas=quotas)
    await later.dispatch.recover(["fake"])
    await later.dispatch.idle()
    assert "is used up" in (await ask(later, 1, author="Bob"))[0][0]
    later = later.again(quotas=quotas)
    assert "is used up" in (await ask(later, 1, author="Cleo"))[0][0]
    await room.dispatch.drain(0)


async def test_a_price_that_nobody_knows_is_taken_to_be_high(config: Config, store: Store) -> None:
    async with Room(config, store, model=Dear(None, "fine"), quotas=Quotas(dollars_per_day=0.10)) as room:
        assert await ask(room, 1) == [["fine"]]
        assert "is used up" in (await ask(room.again(quotas=Quotas(dollars_per_day=0.05)), 1))[0][0]
    assert stand_in(Usage("openai", "new", "image", pictures=1)) >= 200_000
    assert stand_in(Usage("custom", "my-own", "chat", 10**6, 10**6)) == 0, "a server of one's own"


def test_a_meter_forgets_what_is_long_ago_and_knows_when() -> None:
    now = 0.0
    meter = Meter(60, lambda: now)
    for _ in range(3):
        meter.add(1)
        now += 10
    assert (meter.used, meter.allows(1, 3), meter.wait(1, 3)) == (3, False, 30)
    now = 60.0
    assert (meter.used, meter.allows(1, 3), meter.wait(1, 3), meter.wait(2, 3)) == (2, True, 0, 10)
    assert meter.wait(4, 3) == float("inf")
    meter.add(1, ago=-3600)  # a clock that was set back is no reason to wait for an hour
    assert meter.wait(3, 3) <= 60
    meter.add(1, ago=90)
    assert meter.used == 3


def test_seldom_is_once_in_a_while_for_each() -> None:
    now = 0.0
    seldom = Seldom(60, lambda: now)
    assert [seldom.due(what) for what in ("a", "a", "b")] == [True, False, True]
    now = 60.0
    assert [seldom.due(what) for what in ("a", "b", "a")] == [True, True, False]
    assert len(seldom._last) == 2


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "a second"),
        (12.3, "13 seconds"),
        (89, "89 seconds"),
        (100, "2 minutes"),
        (5000, "84 minutes"),
        (20_000, "6 hours"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_new_accounts_and_moderators_only_ever_have_less() -> None:
    quotas = Quotas()
    assert quotas.halved().turns_per_minute == 5
    assert quotas.lowered({"turns_per_day": 7, "pictures_per_day": 99, "dollars_per_day": None}).turns_per_day == 7
    assert quotas.lowered({"pictures_per_day": 99}) is quotas
    assert MICRO == 10**6


async def test_moderators_choose_among_the_models_that_are_allowed(config: Config, store: Store) -> None:
    usual, other = ScriptedModel("The usual."), ScriptedModel("The other.")
    other.name = "other"
    offered: dict[Role, list[Choice]] = {"chat": [Choice(other, "wise")]}
    models = Models({"chat": [Choice(usual, "plain")]}, offered=offered)
    async with Room(config, store, models=models) as room:
        channel = room.adapter.message("").channel
        moderator = Person("mo", "Mo", moderator=True)
        assert (await room.ask("Who are you?")).text == "The usual."
        with pytest.raises(UserError, match=r"can be one of these: scripted:plain, other:wise\. Empty means"):
            await room.dispatch.configure(channel, moderator, LIMITS, {"chat_model": "other:dear"})
        await room.dispatch.configure(channel, moderator, LIMITS, {"chat_model": "other:wise"})
        assert (await room.ask("And now?")).text == "The other."
        await room.dispatch.configure(channel, moderator, LIMITS, {"chat_model": ""})
        assert (await room.ask("And again?")).text == "The usual."
