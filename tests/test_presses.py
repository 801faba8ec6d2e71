"""Buttons below an answer, and what a skill keeps with one."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from bot import Attachment, Button, Field, Keep, Pieces, Request, Settings, Skill, Turn, UserError
from bot.adapter import Limits
from bot.config import Config
from bot.messages import Message, Person, Press, Quote, Reply
from bot.metrics import FEEDBACK
from bot.testing import ScriptedModel
from storage import Store
from tests.room import Room

ADA = Person("ada", "Ada")
BOB = Person("bob", "Bob")


class CountRequest(Request):
    step: int = Field(1, description="How far to go")


class Count(Skill[Settings, CountRequest]):
    """Count on from the answer that is replied to."""

    name = "count"
    follows = True

    async def reply(self, turn: Turn[Settings, CountRequest]) -> Pieces:
        at = (turn.kept.about["at"] if turn.kept else 0) + turn.request.step
        yield str(at)
        yield Button("ten", "Ten more", request={"step": 10})
        yield Keep({"at": at}, (Attachment("slip.txt", "text/plain", str(at).encode()),))


async def with_buttons(config: Config, store: Store, *says: str, **skills: Skill[Any, Any]) -> Room:
    room = Room(config, store, model=ScriptedModel(*says), limits=Limits(pace=0.0, typing=60.0, buttons=5))
    room.skills |= skills
    return room.again()


def counted(verdict: str) -> float:
    return FEEDBACK.labels("fake", verdict)._value.get()


async def press(room: Room, answered: Message, action: str, person: Person = ADA, words: str = "") -> str:
    shown = next(each for each in room.adapter.shown.values() if each.answers == answered.id)
    said = await room.dispatch.pressed(
        Press(f"press{len(room.adapter.shown)}", answered.channel, person, shown.id, action, datetime.now(UTC), words)
    )
    await room.dispatch.idle()
    return said


def last(room: Room) -> Reply:
    return list(room.adapter.shown.values())[-1].reply


async def test_an_answer_is_given_anew_in_its_place_and_in_the_context(config: Config, store: Store) -> None:
    async with await with_buttons(config, store, "First.", "Second.", "Third.") as room:
        question = room.adapter.message("Say something.")
        await room.hear(question)
        assert [each.action for each in last(room).buttons] == ["regenerate", "good", "bad"]
        assert await press(room, question, "regenerate", BOB) == "Only who asked, or a moderator, can do this."
        assert await press(room, question, "regenerate") == ""
        assert [reply.text for reply in room.adapter.answers_to(question)] == ["Second."]
        await room.ask("And now?")
        asked = [prompt.words for prompt in room.model.asked[-1]]
        assert "First." not in asked
        assert asked[-3:] == ["Say something.", "Second.", "And now?"]
        assert [prompt.words for prompt in room.model.asked[1]][1:] == ["Say something."], "not shown its own answer"


async def test_thumbs_are_counted_and_thanked_for(config: Config, store: Store) -> None:
    async with await with_buttons(config, store, "Hello.") as room:
        question = room.adapter.message("Hi")
        await room.hear(question)
        before = counted("bad")
        assert await press(room, question, "bad", BOB) == "Thank you for telling me."
        assert await press(room, question, "bad", BOB, "too short") == "Thank you for telling me."
        assert counted("bad") == before + 1, "a reason that comes after a thumb is no second thumb"


async def test_a_skills_button_asks_it_again_with_what_it_kept_also_after_a_restart(
    config: Config, store: Store
) -> None:
    async with await with_buttons(config, store, count=Count()) as room:
        question = room.adapter.message("count 1")
        await room.hear(question)
        assert [each.label for each in last(room).buttons] == ["Ten more"]
        room = room.again()
        assert await press(room, question, "ten", BOB) == ""
        assert last(room).text == "11"
        answer = list(room.adapter.shown.values())[-1]
        reply = room.adapter.message("5", quote=Quote(answer.id))
        await room.hear(reply)
        assert last(room).text == "16", "a reply comes back to the skill that kept something"
        again = Press("press1", question.channel, BOB, next(iter(room.adapter.shown)), "ten", datetime.now(UTC))
        before = len(room.adapter.shown)
        assert await room.dispatch.pressed(again) == ""
        await room.dispatch.idle()
        assert len(room.adapter.shown) == before, "a press that is heard twice counts once"


async def test_nothing_is_offered_any_more_by_an_answer_that_is_gone(config: Config, store: Store) -> None:
    async with await with_buttons(config, store, count=Count()) as room:
        question = room.adapter.message("count 1")
        await room.hear(question)
        shown = next(iter(room.adapter.shown))
        await room.dispatch.deleted(question.channel, [question.id])
        assert "too old" in await press(room, question, "ten")
        reply = room.adapter.message("count 5", quote=Quote(shown))
        await room.hear(reply)
        assert last(room).text == "5"


async def test_what_only_its_author_sees_is_not_remembered(config: Config, store: Store) -> None:
    async with await with_buttons(config, store, "Between us.", "Yes?") as room:
        secret = room.adapter.message("A secret.")
        await room.hear(Message(secret.id, secret.channel, secret.author, secret.text, secret.sent_at, private=True))
        assert last(room).private
        await room.ask("Hello")
        assert "A secret." not in [prompt.words for prompt in room.model.asked[-1]]


async def test_only_a_moderator_changes_settings_and_is_told_what_cannot_be(room: Room) -> None:
    channel = room.adapter.message("").channel
    moderator = Person("mo", "Mo", moderator=True)
    with pytest.raises(UserError, match="Only a moderator"):
        await room.dispatch.configure(channel, ADA, "draw", {"most": 1})
    with pytest.raises(UserError, match="from 1 to 4"):
        await room.dispatch.configure(channel, moderator, "draw", {"most": 9})
    await room.dispatch.configure(channel, moderator, "draw", {"most": 1}, everywhere=True)
    await room.dispatch.configure(channel, moderator, "draw", {"enabled": False})
    chosen = (await room.dispatch.choices(channel))["draw"]
    assert (chosen["enabled"], chosen["most"]) == (False, 1)
    assert "switched off" in (await room.ask("draw a fox")).text


async def test_a_button_can_be_pressed_in_the_moment_it_is_seen(config: Config, store: Store) -> None:
    async with await with_buttons(config, store, "First.", "Second.") as room:
        question = room.adapter.message("Say something.")
        finish, seen = store.finish, asyncio.Event()

        async def slow(heard: int, *given: Any, **more: Any) -> None:
            seen.set()
            for _ in range(20):
                await asyncio.sleep(0)
            await finish(heard, *given, **more)

        store.finish = slow  # type: ignore[method-assign]
        await room.dispatch.heard(question)
        await seen.wait()
        assert last(room).buttons[0].action == "regenerate"
        assert await press(room, question, "regenerate") == ""
        assert [reply.text for reply in room.adapter.answers_to(question)] == ["Second."]


class Slow(Skill[Settings, CountRequest]):
    """Take long."""

    name = "slow"

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def reply(self, turn: Turn[Settings, CountRequest]) -> Pieces:
        if turn.message.reply_to:
            self.begun.set()
            await asyncio.sleep(600)
        yield "Done"
        yield Button("more", "More")


async def test_what_a_button_began_ends_when_the_answer_it_stood_below_is_deleted(config: Config, store: Store) -> None:
    slow = Slow()
    async with await with_buttons(config, store, slow=slow) as room:
        question = room.adapter.message("slow")
        await room.hear(question)
        shown = next(iter(room.adapter.shown))
        await room.dispatch.pressed(Press("p", question.channel, BOB, shown, "more", datetime.now(UTC)))
        await slow.begun.wait()
        await room.dispatch.deleted(question.channel, [question.id, shown])
        await room.dispatch.idle()
        assert len(room.adapter.shown) == 1
        assert await store.history(question.channel.key, 10) == []
