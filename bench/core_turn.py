"""CPU and time of a turn in the core alone: real storage and delivery, a model and a platform in memory.

    python -m bench.core_turn [WORDS] [TURNS]

The floor, in the same run, is the same number of commits by the bare sqlite3 module, and nothing else.
"""

import asyncio
import contextlib
import logging
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from bot.adapter import Limits
from bot.config import load_config
from bot.testing import ScriptedModel
from storage import open_store
from tests.room import Room

CHANNELS = 50


async def main(words: int, turns: int) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    model = ScriptedModel(" ".join(["word"] * words))
    with tempfile.TemporaryDirectory() as folder:
        config = load_config(folder=Path(folder), probe=False)
        store = await open_store(config.database)
        room = Room(config, store, model=model, limits=Limits(pace=1.2))

        async def ask() -> None:
            for number in range(turns):
                asked = room.adapter.message("a question", channel=f"c{number % CHANNELS}", author=f"p{number}")
                await room.dispatch.heard(asked)
                if room.dispatch.waiting > CHANNELS:
                    await room.dispatch.idle()
            await room.dispatch.idle()

        async def commit() -> None:
            await asyncio.to_thread(_commits, Path(folder) / "floor.db", turns)

        await ask()  # what is done only once is not measured
        floor = await _cpu(commit)
        turn = await _cpu(ask)
        await store.close()
    each = 1000 / turns
    print(f"{turns} turns of {words} words in {CHANNELS} channels")
    print(f"floor {floor * each:6.2f} ms CPU a turn")
    print(f"core  {turn * each:6.2f} ms CPU a turn   {turn / floor:.1f} x the floor")


def _commits(path: Path, turns: int) -> None:
    """What a turn keeps: the question, that it is begun, answered, and shown and done."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE kept (id INTEGER PRIMARY KEY, said TEXT)")
        for _ in range(turns * 4):
            connection.execute("INSERT INTO kept (said) VALUES (?)", ("word " * 20,))


async def _cpu(work: Callable[[], Awaitable[None]]) -> float:
    started = time.process_time()
    await work()
    return time.process_time() - started


if __name__ == "__main__":
    given = [int(each) for each in sys.argv[1:]]
    asyncio.run(main(*(given + [20, 500][len(given) :])))
