"""When more is asked than can be answered at once: who waits, what is answered together, who is turned away."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from bot.adapter import Limits, Overloaded
from bot.config import Config
from bot.conversation import INTERRUPTED
from bot.dispatch import BUSY, WAITED, Load
from bot.messages import Attachment, Message, Person, Press
from bot.testing import ScriptedModel
from storage import Store
from tests.room import Room, Stepwise


@pytest.fixture
async def busy(config: Config, store: Store) -> AsyncIterator[Callable[..., Room]]:
    """A room whose model says "done" whenever it is released; only one turn runs at a time, if not said otherwise."""
    rooms: list[Room] = []

    def made(limits: Limits | None = None, **load: float) -> Room:
        rooms.append(Room(config, store, model=Stepwise("done"), limits=limits, load=Load(**{"running": 1} | load)))
        return rooms[-1]

    yield made
    for room in rooms:
        await room.dispatch.drain(0)


async def say(room: Room, *texts: str, **given: object) -> list[Message]:
    messages = [room.adapter.message(text, **given) for text in texts]  # type: ignore[arg-type]
    for message in messages:
        await room.dispatch.heard(message)
    return messages


async def answer(room: Room, turns: int = 50) -> None:
    """Let the model say everything it has to say."""
    for _ in range(turns):
        room.model.steps.release()  # type: ignore[attr-defined]
    await room.dispatch.idle()


def seen(room: Room, message: Message) -> list[str]:
    return [reply.text for reply in room.adapter.answers_to(message)]


def asked(room: Room) -> list[list[str]]:
    """What the model was shown each time, without its instructions."""
    return [[prompt.words for prompt in prompts if prompt.role == "user"] for prompts in room.model.asked]  # type: ignore[attr-defined]


async def begun(room: Room, turns: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(room.model.asked) < turns:  # type: ignore[attr-defined]
            await asyncio.sleep(0)


async def test_more_than_a_channel_may_have_waiting_is_turned_away_with_one_notice(
    busy: Callable[..., Room], store: Store
) -> None:
    room = busy()
    messages = [(await say(room, f"question {number}", author=f"P{number}", kind="channel"))[0] for number in range(8)]
    assert room.dispatch.waiting == 3
    await answer(room)
    assert [seen(room, each) for each in messages] == [["done"]] * 4 + [[BUSY]] + [[]] * 3
    assert await store.undone() == []


@pytest.mark.parametrize("bound", ["waiting", "in_community"])
async def test_no_more_than_so_many_wait(busy: Callable[..., Room], bound: str) -> None:
    room = busy(**{bound: 4})
    for number in range(7):
        await say(room, "Hi", author=f"P{number}", channel=f"c{number}", kind="channel", tenant="guild")
    assert (room.dispatch.running, room.dispatch.waiting) == (1, 4)
    await say(room, "Hi", channel="elsewhere", kind="channel", tenant="other")
    assert room.dispatch.waiting == (4 if bound == "waiting" else 5)
    await answer(room)
    assert (room.dispatch.running, room.dispatch.waiting) == (0, 0)


async def test_questions_that_wait_are_answered_together_and_none_is_left_unanswered(
    busy: Callable[..., Room], store: Store
) -> None:
    room = busy()
    first, second, third, fourth = await say(room, "One?", "Two?", "Three?", "Four?", kind="channel")
    await answer(room)
    assert [seen(room, each) for each in (first, second, third, fourth)] == [["done"], [], [], ["done"]]
    assert asked(room) == [["Ada: One?"], ["Ada: One?", "Ada: Two?", "Ada: Three?", "Ada: Four?"]]
    lines = [line.text for line in await store.history(first.channel.key, 100)]
    assert lines == ["One?", "done", "Two?", "Three?", "Four?", "done"]
    assert await store.undone() == []
    assert not await room.dispatch.heard(second), "it was heard already"


async def test_what_is_answered_together_is_so_also_after_a_crash(
    busy: Callable[..., Room], config: Config, store: Store
) -> None:
    room = busy()
    first, second, third = await say(room, "One?", "Two?", "Three?", kind="channel")
    await begun(room)
    # The process is gone here; nothing of it says another word.
    later = Room(config, store, model=ScriptedModel("fine"), adapter=room.adapter)
    await later.dispatch.recover(["fake"])
    await later.dispatch.idle()
    assert [seen(room, each) for each in (first, second, third)] == [[INTERRUPTED], [], ["fine"]]
    assert [prompt.words for prompt in later.model.asked[-1]][-2:] == ["Ada: Two?", "Ada: Three?"]  # type: ignore[attr-defined]
    assert await store.undone() == []


async def test_a_question_joined_to_another_can_still_be_changed_and_deleted(
    busy: Callable[..., Room], store: Store
) -> None:
    room = busy()
    first, second, third, _ = await say(room, "One?", "Two?", "Three?", "Four?", kind="channel")
    await room.dispatch.edited(replace(second, text="Two, please?"))
    await room.dispatch.deleted(third.channel, [third.id])
    await answer(room)
    assert asked(room)[-1] == ["Ada: One?", "Ada: Two, please?", "Ada: Four?"]
    await room.dispatch.edited(replace(second, text="Too late."))
    await room.dispatch.deleted(first.channel, [first.id])
    await room.dispatch.idle()
    lines = [line.text for line in await store.history(first.channel.key, 100) if line.role == "user"]
    assert lines == ["Too late.", "Four?"]


async def test_when_the_later_question_is_deleted_the_earlier_one_is_answered_for_itself(
    busy: Callable[..., Room], store: Store
) -> None:
    room = busy()
    first, second, third = await say(room, "One?", "Two?", "Three?", kind="channel")
    await room.dispatch.deleted(third.channel, [third.id])
    await answer(room)
    assert [seen(room, each) for each in (first, second, third)] == [["done"], ["done"], []]
    lines = [line.text for line in await store.history(first.channel.key, 100)]
    assert lines == ["One?", "done", "Two?", "done"]


async def test_files_commands_and_replies_are_never_joined(busy: Callable[..., Room]) -> None:
    room = busy(of_person=9, in_channel=9)
    await say(room, "Hi")
    picture = Attachment("cat.png", "image/png", b"\x89PNG cat")
    messages = [
        *await say(room, "Look", attachments=[picture]),
        *await say(room, "help"),
        *await say(room, "", skill="help"),
        *await say(room, "Well?"),
    ]
    secret = replace(room.adapter.message("Psst"), private=True)
    await room.dispatch.heard(secret)
    await answer(room)
    assert all(len(seen(room, each)) == 1 for each in (*messages, secret))


async def test_whoever_runs_the_bot_gets_each_question_answered(busy: Callable[..., Room]) -> None:
    room = busy(seconds=0.05)
    owner = Person("owner", "You", operator=True)
    messages = [replace(room.adapter.message(f"{number}?"), author=owner) for number in range(6)]
    for message in messages:
        await room.dispatch.heard(message)
    await asyncio.sleep(0.1)
    await answer(room)
    assert [seen(room, each) for each in messages] == [["done"]] * 6


async def test_a_busy_community_does_not_keep_another_waiting(busy: Callable[..., Room]) -> None:
    room = busy()
    for number in range(5):
        await say(room, f"busy {number}", channel=f"{number}", tenant="busy", kind="channel")
    await say(room, "quiet", channel="q", tenant="quiet", kind="channel")
    await answer(room)
    order = [prompts[-1].removeprefix("Ada: ") for prompts in asked(room)]
    assert order.index("quiet") <= 2
    assert len(order) == 6


async def test_a_community_has_no_more_than_its_share_of_turns_at_once(busy: Callable[..., Room]) -> None:
    room = busy(running=100, running_in_community=2)
    for number in range(5):
        await say(room, "Hi", channel=f"{number}", tenant="guild", kind="channel")
        await say(room, "Hi", channel=f"dm{number}", author=f"P{number}", tenant="guild", kind="direct")
    assert (room.dispatch.running, room.dispatch.waiting) == (7, 3), "private chats are nobody's share"
    await answer(room)
    assert len(room.adapter.shown) == 10


async def test_whoever_waits_too_long_is_told_so(busy: Callable[..., Room], store: Store) -> None:
    room = busy(seconds=0.05)
    first, second = await say(room, "One?", "Two?", kind="channel")
    await room.adapter.until(lambda: seen(room, second) == [WAITED])
    await answer(room)
    assert seen(room, first) == ["done"]
    assert await store.undone() == []


async def test_a_platform_that_sends_again_is_asked_to(busy: Callable[..., Room], store: Store) -> None:
    room = busy(Limits(pace=0.0, typing=60.0, resends=True))
    await say(room, *(f"{number}?" for number in range(2)), kind="channel")
    picture = room.adapter.message("Look", kind="channel", attachments=[Attachment("cat.png", "image/png", b"cat")])
    with pytest.raises(Overloaded):
        await room.dispatch.heard(picture)
    assert len(await store.undone()) == 2, "nothing of it is stored"
    await answer(room)
    assert await room.dispatch.heard(picture)
    await answer(room)
    assert len(seen(room, picture)) == 1


async def test_questions_with_files_are_turned_away_first(busy: Callable[..., Room]) -> None:
    room = busy(waiting=4)
    for number in range(3):
        await say(room, "Hi", channel=f"{number}", kind="channel", tenant=f"{number}")
    picture = Attachment("cat.png", "image/png", b"\x89PNG cat")
    (refused,) = await say(room, "Look", channel="a", kind="channel", tenant="a", attachments=[picture])
    (taken,) = await say(room, "Hi", channel="b", kind="channel", tenant="b")
    await answer(room)
    assert (seen(room, refused), seen(room, taken)) == ([BUSY], ["done"])


async def test_presses_are_taken_however_much_waits(busy: Callable[..., Room]) -> None:
    room = busy(Limits(pace=0.0, typing=60.0, buttons=5), waiting=1)
    (question,) = await say(room, "Hi", kind="channel")
    await answer(room, 1)
    shown = next(iter(room.adapter.shown))
    await say(room, "Hi", channel="a", kind="channel")
    await say(room, "Hi", channel="b", kind="channel")
    press = Press("p", question.channel, question.author, shown, "regenerate", question.sent_at)
    assert await room.dispatch.pressed(press) == ""
    assert room.dispatch.waiting == 2
    await answer(room)
    assert room.adapter.shown[shown].reply.text == "done"
    assert len(room.model.asked) == 4  # type: ignore[attr-defined]


async def test_an_edit_and_a_deletion_that_come_while_the_question_is_being_stored_count(
    busy: Callable[..., Room], store: Store
) -> None:
    room = busy(in_channel=9)
    changed, deleted = room.adapter.message("I like tee"), room.adapter.message("Oops", author="Bob")
    hearing = [asyncio.create_task(room.dispatch.heard(each)) for each in (changed, deleted)]
    await asyncio.sleep(0)
    await room.dispatch.edited(replace(changed, text="I like tea"))
    await room.dispatch.deleted(deleted.channel, [deleted.id])
    await asyncio.gather(*hearing)
    await answer(room)
    assert asked(room) == [["I like tea"]] or asked(room) == [["I like tee"], ["I like tea"]]
    assert [line.text for line in await store.history(changed.channel.key, 9) if line.role == "user"] == ["I like tea"]
    assert await store.undone() == []
