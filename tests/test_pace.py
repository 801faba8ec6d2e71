"""A platform that is not always ready: what is shown when its time has come is the newest there is."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest

from bot.adapter import Limits, Step
from bot.config import Config
from bot.messages import Channel
from bot.testing import FakeAdapter
from storage import Store
from tests.room import Room, Stepwise


class Busy(FakeAdapter):
    """A platform that is ready for a step of an answer when the test says so."""

    def __init__(self, config: Config, store: Store) -> None:
        super().__init__(config, store, Limits(pace=0.0, typing=60.0))
        self.places: dict[Step, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))
        self.waiting: list[Step] = []

    async def ready(self, channel: Channel, step: Step, answers: str) -> bool:
        self.waiting.append(step)
        async with self.changed:
            self.changed.notify_all()
        try:
            await self.places[step].acquire()
        finally:
            self.waiting.remove(step)
        return True


class Asked:
    """A question that was asked there, while its answer is being said word by word."""

    def __init__(self, config: Config, store: Store, *words: str) -> None:
        self.model = Stepwise(*words)
        self.platform = Busy(config, store)
        self.room = Room(config, store, model=self.model, adapter=self.platform)

    async def waits(self, *steps: Step) -> None:
        await self.platform.until(lambda: sorted(self.platform.waiting) == sorted(steps))

    async def says(self, words: int = 1) -> None:
        for _ in range(words):
            self.model.steps.release()
        for _ in range(20):  # the model says it, and the answer takes it in
            await asyncio.sleep(0)

    @property
    def seen(self) -> list[str]:
        return [state.text for shown in self.platform.shown.values() for state in shown.states]


@pytest.fixture
async def asked(config: Config, store: Store) -> AsyncIterator[Asked]:
    asked = Asked(config, store, "one ", "two ", "three ", "four")
    async with asked.room as room:
        await room.dispatch.heard(asked.platform.message("Count."))
        yield asked
        for step in ("sign", "begin", "grow", "end"):
            for _ in range(9):
                asked.platform.places[step].release()
        await asked.says(9)
        await room.dispatch.idle()
        assert asked.seen[-1] == "one two three four"


async def test_what_is_shown_is_the_newest_there_is_when_its_place_has_come(asked: Asked) -> None:
    await asked.says()
    await asked.waits("sign", "begin")
    await asked.says(2)
    asked.platform.places["begin"].release()
    await asked.platform.until(lambda: asked.seen == ["one two three"])


async def test_the_typing_sign_is_left_out_when_the_first_words_were_faster(asked: Asked) -> None:
    await asked.says()
    await asked.waits("sign", "begin")
    asked.platform.places["begin"].release()
    await asked.platform.until(lambda: asked.seen == ["one"])
    asked.platform.places["sign"].release()
    await asked.says()
    await asked.waits("grow")
    assert asked.platform.typed == []


async def test_a_step_that_the_whole_answer_has_overtaken_is_not_shown(asked: Asked) -> None:
    await asked.says()
    asked.platform.places["begin"].release()
    await asked.platform.until(lambda: asked.seen == ["one"])
    await asked.says()
    await asked.waits("grow")
    await asked.says(2)
    await asked.waits("end")
    asked.platform.places["end"].release()
    await asked.platform.until(lambda: asked.seen == ["one", "one two three four"])
