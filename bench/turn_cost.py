"""What a turn costs on Discord, end to end, and against the least that is possible in the same run.

    python -m bench.turn_cost [ROUNDS]

Parley and the floor (bench/floor.py) run by turns, each in a process of its own, against loopback servers in this one.
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.child import Child, parley
from bench.model import Model
from bench.scene import Scene, at, wide
from tests.fakes.discord import FakeDiscord

CHANNELS = 50
ALONE = 50  # turns one at a time in a round
TOGETHER = 4  # times that every channel asks at once in a round
SETTLE = 0.3  # seconds until what follows an answer is done


@dataclass
class Figures:
    """Of one bot: seconds of CPU a turn in each round, and seconds of waiting in each turn."""

    cpu: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


class Bot:
    """A bot in its own process on its own Discord."""

    def __init__(self, scene: Scene, child: Child) -> None:
        self.scene = scene
        self.child = child
        self.figures: dict[tuple[int, bool], Figures] = {}

    async def round(self, words: int, *, together: bool) -> None:
        """Ask, and keep what it cost."""
        scene = self.scene
        scene.model.words = words
        figures = self.figures.setdefault((words, together), Figures())
        begun = self.child.cpu()
        questions = []
        for number in range(TOGETHER if together else ALONE):
            rooms = scene.rooms if together else [scene.rooms[number % CHANNELS]]
            asked = [await scene.ask(room, person) for room, person in zip(rooms, scene.people, strict=False)]
            await scene.until_whole(asked)
            questions += asked
        await asyncio.sleep(SETTLE)
        figures.cpu.append((self.child.cpu() - begun) / len(questions))
        whole = scene.whole()
        figures.asked += [scene.model.asked[each.mark] - each.said for each in questions]
        figures.whole += [whole[each.mark] - scene.model.sent[each.mark][-1] for each in questions]


async def main(rounds: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bots = []
        for name in ("floor", "parley"):
            model = await stack.enter_async_context(Model())
            scene = Scene(wide(await stack.enter_async_context(FakeDiscord())), model, channels=CHANNELS)
            (folder / name).mkdir()
            child = (
                parley(folder / name, **scene.environment())
                if name == "parley"
                else Child("bench.floor", [], scene.environment(), folder / name)
            )
            await stack.enter_async_context(child)
            await scene.discord.online()
            bots.append(Bot(scene, child))
        floor, ours = bots
        for bot in bots:
            await bot.round(20, together=True)  # what is done only once is not measured
            bot.figures.clear()
        for _ in range(rounds):
            for words in (20, 200):
                for together in (False, True):
                    for bot in bots:
                        await bot.round(words, together=together)
        idle = ours.child.cpu()
        await asyncio.sleep(2)
        idle = (ours.child.cpu() - idle) / 2
        _print(floor, ours, rounds)
        print(f"idle: {idle * 1000:.1f} ms CPU a second, {ours.child.memory()[0]:.0f} MiB")


def _print(floor: Bot, ours: Bot, rounds: int) -> None:
    print(f"Discord, instant model, medians of {rounds} rounds by turns; each figure: floor → Parley (ratio)")
    for words, together in ours.figures:
        least, real = floor.figures[words, together], ours.figures[words, together]
        cpu = [statistics.median(each.cpu) * 1000 for each in (least, real)]
        print(f"\n{words} words, {f'{CHANNELS} channels at once' if together else 'one at a time'}")
        print(f"  CPU a turn                {cpu[0]:7.2f} → {cpu[1]:7.2f} ms ({cpu[1] / cpu[0]:.1f}x)")
        for title, name in (("message in → model asked ", "asked"), ("last byte → whole text   ", "whole")):
            low, high = getattr(least, name), getattr(real, name)
            for share in (0.5, 0.95):
                first, second = at(share, low) * 1000, at(share, high) * 1000
                print(f"  {title} p{share * 100:.0f} {first:6.2f} → {second:7.2f} ms ({second / first:.1f}x)")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
