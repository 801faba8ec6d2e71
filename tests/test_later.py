"""What could not be shown or done at once: it is, as soon as that is possible, and holds up nothing else."""

import asyncio
import sqlite3

import pytest
from sqlalchemy.exc import OperationalError

from bot.adapter import Limits, PostFailed
from bot.config import Config
from bot.dispatch import Load
from bot.messages import Channel, Reply
from bot.testing import FakeAdapter, ScriptedModel
from storage import Store
from tests.room import Room, Stepwise


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.later.RETRY_SECONDS", (0.05,) * 60)


def locked() -> OperationalError:
    return OperationalError("SELECT", {}, sqlite3.OperationalError("database is locked"))


class Choosy(FakeAdapter):
    """A platform on which one answer can never be shown, for a reason that nobody has foreseen."""

    async def post(self, channel: Channel, reply: Reply, *, answers: str, nonce: str) -> str:
        if self.failing:
            raise self.failing[0]
        if "poison" in reply.text:
            raise ValueError("nobody has foreseen this")
        return await super().post(channel, reply, answers=answers, nonce=nonce)


async def test_an_answer_that_storage_kept_from_being_shown_is_shown_when_storage_is_well_again(
    config: Config, store: Store
) -> None:
    async with Room(config, store, limits=Limits(pace=60.0, typing=60.0)) as room:
        room.adapter.failing = [locked()]
        message = room.adapter.message("Hi")

        await room.hear(message)

        await room.adapter.until(lambda: bool(room.adapter.answers_to(message)))
        assert [reply.text for reply in room.adapter.answers_to(message)] == ["You said: Hi"]


async def test_an_answer_that_can_never_be_shown_does_not_keep_those_behind_it_waiting(
    config: Config, store: Store
) -> None:
    adapter = Choosy(config, store)
    async with Room(config, store, adapter=adapter, model=ScriptedModel("poison", "honey")) as room:
        adapter.failing = [PostFailed("the platform is away")]
        first, second = adapter.message("One?"), adapter.message("Two?")
        for each in (first, second):
            await room.hear(each)
        adapter.failing.clear()

        await adapter.until(lambda: bool(adapter.answers_to(second)))

        assert [reply.text for reply in adapter.answers_to(second)] == ["honey"]
        assert adapter.answers_to(first) == []


async def test_once_the_bot_has_stopped_nothing_is_tried_any_more(config: Config, store: Store) -> None:
    model = Stepwise("done")
    room = Room(config, store, model=model)
    message = room.adapter.message("Hi")
    await room.dispatch.heard(message)
    room.adapter.failing = [PostFailed("the platform is away")] * 5
    stopping = asyncio.create_task(room.dispatch.drain(5))
    await asyncio.sleep(0)
    model.steps.release()

    await stopping

    left = [task for task in asyncio.all_tasks() if task.get_name() in ("delivery", "closing", "turn")]
    assert left == []
    assert [heard.state for heard in await store.undone()] == ["answered"], "the next start shows it"


async def test_a_question_that_cannot_be_joined_to_the_one_before_is_answered_by_itself(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing(*_: object) -> None:
        raise locked()

    monkeypatch.setattr(store, "join", failing)
    model = Stepwise("done")
    async with Room(config, store, model=model, load=Load(of_person=5)) as room:
        messages = [room.adapter.message(text, kind="channel") for text in ("One?", "Two?", "Three?")]
        for each in messages:
            assert await room.dispatch.heard(each)
        for _ in messages:
            model.steps.release()
        await room.dispatch.idle()

        assert [[reply.text for reply in room.adapter.answers_to(each)] for each in messages] == [["done"]] * 3
