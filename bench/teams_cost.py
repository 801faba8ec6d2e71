"""What an answered message costs in Teams, beside plain aiohttp and beside botbuilder as it comes, in the same run.

    python -m bench.teams_cost [ROUNDS]

CPU in the bot's process, and how long its event loop stood still at worst. Each bot runs in a process of its own on
its own loopback Teams; they are asked by turns.
"""

import asyncio
import contextlib
import re
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.child import Child, parley
from bench.model import Model
from tests.fakes.teams import FakeTeams
from tests.fakes.teams import rates as teams_rates

CHATS = 50
ALONE = 100  # messages one at a time in a round
TOGETHER = 2  # times that every chat asks at once in a round
SETTLE = 0.3
WORDS, WORDS_A_SECOND = 90, 30  # of the answers that are streamed

Figures = dict[bool, list[float]]


@dataclass
class Bot:
    """One of those that are compared."""

    name: str
    teams: FakeTeams
    child: Child
    cpu: Figures = field(default_factory=lambda: {False: [], True: []})
    lag: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.teams.bot_url = f"{self.child.address.removesuffix('/')}/api/messages"
        people = [self.teams.person(f"person{number}") for number in range(CHATS)]
        self.chats = [(self.teams.personal(person), person) for person in people]
        self.asked = 0

    async def ask(self, number: int) -> None:
        """One message, until its answer is there."""
        chat, person = self.chats[number % CHATS]
        self.asked += 1
        mark = f"q{self.asked}"
        answered = await self.teams.say(chat, person, f"what is {mark}?")
        assert answered.status in (201, 202), answered.body
        said = re.compile(rf"\b{mark}\b")

        def there() -> bool:
            whole = [each for each in self.teams.answers(chat) if each.activity["type"] == "message"]
            return any(said.search(each.text) for each in whole)

        await self.teams.until(there, within=60)

    async def round(self, *, together: bool) -> None:
        """Ask, and keep what it cost."""
        if together:
            await self.child.watch()
        begun = self.child.cpu()
        if together:
            for _ in range(TOGETHER):
                await asyncio.gather(*(self.ask(number) for number in range(CHATS)))
        else:
            for number in range(ALONE):
                await self.ask(number)
        await asyncio.sleep(SETTLE)
        self.cpu[together].append((self.child.cpu() - begun) / (TOGETHER * CHATS if together else ALONE))
        if together:
            self.lag.append(self.child.lag())


async def main(rounds: int) -> None:
    teams_rates.WINDOWS = ()  # the pace of Teams is not what is measured
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = await stack.enter_async_context(Model())
        bots: list[Bot] = []
        for name, module, arguments, anonymous in (
            ("plain aiohttp, one post", "bench.teams_floor", [], True),
            ("Parley's adapter, a sign and its change", "bench.teams_echo", ["plain"], False),
            ("Parley's adapter, a stream, its end and buttons", "bench.teams_echo", ["placeholder"], False),
            ("all of Parley, a stream, its end and buttons", "", [], False),
            ("botbuilder as it comes, no tokens, one post", "bench.teams_stock", [], True),
            ("botbuilder as it comes, tokens checked, one post", "bench.teams_stock", [], False),
        ):
            teams = await stack.enter_async_context(FakeTeams(anonymous=anonymous))
            own = folder / str(len(bots))
            own.mkdir()
            if module:
                child = Child(module, arguments, teams.environment(), own)
            else:
                child = parley(own, **teams.environment(), **model.environment())
            bots.append(Bot(name, teams, await stack.enter_async_context(child)))
        for bot in bots:
            await bot.round(together=True)  # what is done only once is not measured
            bot.cpu[True].clear()
            bot.lag.clear()
        for _ in range(rounds):
            for together in (False, True):
                for bot in bots:
                    await bot.round(together=together)
        _print(bots, rounds)
        model.words, model.gap = WORDS, 1 / WORDS_A_SECOND
        ours = next(bot for bot in bots if bot.name.startswith("all"))
        await ours.child.watch()
        await asyncio.gather(*(ours.ask(number) for number in range(CHATS)))
        print(f"\nAll of Parley while it streams {CHATS} answers at {WORDS_A_SECOND} words a second: ", end="")
        print(f"the loop stood still for {ours.child.lag() * 1000:.0f} ms at worst")


def _print(bots: list[Bot], rounds: int) -> None:
    print(f"CPU a message, ms (times plain aiohttp), medians of {rounds} rounds; the loop stood still at worst, ms")
    print(f"{'':50} one at a time     {CHATS} chats at once   loop")
    floor = {together: statistics.median(bots[0].cpu[together]) for together in (False, True)}
    for bot in bots:
        cells = []
        for together in (False, True):
            cpu = statistics.median(bot.cpu[together])
            cells.append(f"{cpu * 1000:6.2f} ({cpu / floor[together]:4.1f}x)")
        print(f"{bot.name:50} {'    '.join(cells)} {max(bot.lag) * 1000:9.0f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
