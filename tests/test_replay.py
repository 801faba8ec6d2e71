"""Whatever platforms report, in whatever order and however often: the context is what is visibly there in the end."""

import asyncio
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapter import Limits
from bot.budget import Quotas
from bot.config import load_config
from bot.messages import Message, Press
from storage import open_store
from tests.prepared import prepared
from tests.room import Room, Stepwise


@dataclass(frozen=True)
class Event:
    """Something that happens to one message of a channel."""

    kind: Literal["say", "edit", "delete"]
    number: int
    version: int = 0


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events of a few messages: each is said, perhaps edited, perhaps deleted; some come twice, neighbours swap."""
    events = [Event("say", number) for number in range(draw(st.integers(1, 4)))]
    for number in range(len(events)):
        for version in range(1, 1 + draw(st.integers(0, 2))):
            events.insert(
                draw(st.integers(events.index(Event("say", number)) + 1, len(events))), Event("edit", number, version)
            )
        if draw(st.booleans()):
            last = max(index for index, event in enumerate(events) if event.number == number)
            events.insert(draw(st.integers(last + 1, len(events))), Event("delete", number))
    for event in draw(st.lists(st.sampled_from(events), max_size=3)):
        if event.kind != "edit":  # an old edit that comes again cannot be told from a new one
            events.insert(draw(st.integers(events.index(event) + 1, len(events))), event)
    return events


async def replay(events: list[Event]) -> list[str]:
    """What people are remembered to have said, after these events."""
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(folder=prepared(Path(folder)), probe=False)
        store = await open_store(config.database)
        async with Room(config, store) as room:
            messages: dict[int, Message] = {}
            for event in events:
                first = messages.setdefault(event.number, room.adapter.message(f"{event.number}.0"))
                if event.kind == "say":
                    await room.dispatch.heard(first)
                elif event.kind == "edit":
                    await room.dispatch.edited(replace(first, text=f"{event.number}.{event.version}"))
                else:
                    await room.dispatch.deleted(first.channel, [first.id])
                await room.dispatch.idle()
            lines = await store.history(("fake", "", "general"), 100)
        await store.close()
        return [line.text for line in lines if line.role == "user"]


def visible(events: list[Event]) -> set[str]:
    """What is to be seen in the channel after these events."""
    seen: dict[int, int] = {}
    for event in events:
        if event.kind == "edit":
            seen[event.number] = event.version
        elif event.kind == "say":
            seen.setdefault(event.number, 0)
    gone = {event.number for event in events if event.kind == "delete"}
    return {f"{number}.{version}" for number, version in seen.items() if number not in gone}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_the_context_is_what_is_visibly_there(events: list[Event]) -> None:
    remembered = asyncio.run(replay(events))
    assert set(remembered) == visible(events)
    assert len(remembered) == len(set(remembered))


def test_what_was_deleted_before_it_was_heard_is_not_answered() -> None:
    assert asyncio.run(replay([Event("delete", 0), Event("say", 0)])) == []


def test_an_edit_that_overtakes_its_message_is_what_counts() -> None:
    assert asyncio.run(replay([Event("edit", 0, 1), Event("say", 0)])) == ["0.1"]


# The same while the bot is busy: questions wait, are answered together, and are answered again.


async def replay_busy(events: list[Event]) -> tuple[list[str], list[str], int]:
    """The same, while nothing is answered before everything has happened; and once more when everything that was
    answered is answered again. Then the number of questions that nobody has dealt with.
    """
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(folder=prepared(Path(folder)), probe=False)
        store = await open_store(config.database)
        model = Stepwise("fine")
        limits = Limits(pace=0.0, typing=60.0, buttons=5)
        async with Room(config, store, model=model, limits=limits, quotas=Quotas(turns_per_minute=100)) as room:

            async def settle() -> list[str]:
                for _ in range(30):
                    model.steps.release()
                await room.dispatch.idle()
                lines = await store.history(("fake", "", "general"), 100)
                return [line.text for line in lines if line.role == "user"]

            messages: dict[int, Message] = {}
            for event in events:
                author = "Ada" if event.number % 3 else "Bob"
                first = messages.setdefault(
                    event.number, room.adapter.message(f"{event.number}.0", author=author, kind="channel")
                )
                if event.kind == "say":
                    await room.dispatch.heard(first)
                elif event.kind == "edit":
                    await room.dispatch.edited(replace(first, text=f"{event.number}.{event.version}"))
                else:
                    await room.dispatch.deleted(first.channel, [first.id])
            once = await settle()
            for shown in list(room.adapter.shown.values()):
                asked = next(each for each in messages.values() if each.id == shown.answers)
                press = Press(f"p{shown.id}", asked.channel, asked.author, shown.id, "regenerate", asked.sent_at)
                await room.dispatch.pressed(press)
            again = await settle()
            undone = len(await store.undone())
        await store.close()
        return once, again, undone


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_the_context_is_what_is_visibly_there_also_when_questions_wait_and_answers_are_given_again(
    events: list[Event],
) -> None:
    once, again, undone = asyncio.run(replay_busy(events))
    assert set(once) == visible(events)
    assert len(once) == len(set(once))
    assert sorted(again) == sorted(once), "what is answered again was said once"
    for numbers in ([0, 3], [1, 2]):  # of one person
        theirs = [int(text.partition(".")[0]) for text in once if int(text.partition(".")[0]) in numbers]
        assert theirs == sorted(theirs), "each person's lines stand in the order in which they were said"
    assert undone == 0
