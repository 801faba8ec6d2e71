"""A skill that blocks everything is named in the log, cut off and switched off; the others go on."""

import asyncio
import time

import pytest

from bot.config import Config
from bot.skill import Pieces, Skill, Turn
from bot.watchdog import Watchdog
from storage import Store
from tests.room import Room


class Greedy(Skill):
    """Compute for ever."""

    name = "greedy"

    async def reply(self, turn: Turn) -> Pieces:
        yield "Wait a moment"
        while True:
            sum(range(1000))


class Patient(Skill):
    """Answer."""

    name = "chat"

    async def reply(self, turn: Turn) -> Pieces:
        yield "Hello"


async def test_a_skill_that_blocks_is_cut_off_and_the_others_go_on(
    config: Config, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Room(config, store, skills={"greedy": Greedy(), "chat": Patient()}) as room:
        with Watchdog(room.conversation.cut_off, name_after=0.3, cut_after=0.6):
            began = time.monotonic()
            reply = await room.ask("greedy please")
            assert time.monotonic() - began < 5
            assert "“greedy” was switched off" in reply.text
            assert (await room.ask("Hi")).text == "Hello"
            assert "“greedy” was switched off" in (await room.ask("greedy again")).text
    log = capsys.readouterr().out
    assert "the event loop stands still" in log
    assert "test_watchdog.py" in log


async def test_a_loop_that_only_waits_is_left_alone() -> None:
    blamed: list[str] = []
    with Watchdog(blamed.append, name_after=0.3, cut_after=0.4) as watchdog:
        await asyncio.sleep(0.8)
    assert blamed == []
    assert watchdog.lag < 0.3
