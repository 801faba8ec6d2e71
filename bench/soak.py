"""Steady talk on Discord and Teams while everything around Parley fails now and then, and what is left at the end.

    python -m bench.soak [MINUTES]

Injected, by turns: Discord 429, 500, cut connections before and after a call took effect, a dropped gateway, op 7;
Teams 429, 500 and 502, cut connections before a call took effect; the model's 429, 500, cut and unfinished streams,
content filter, empty answer, HTML. One event in ten is delivered twice. Ends with exit code 1 if a promise was broken.
Growth of memory is judged once everything that is kept in memory on purpose is full (contexts, SQLite's own cache);
that takes some 5 minutes, and a shorter run says that it does not judge it.

Not injected, because no bot could do right: a Teams post that takes effect and is cut off (Teams has no nonces), and a
Discord session that is thrown away while people talk (it is not replayed).
"""

import asyncio
import contextlib
import itertools
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bench.child import Child, parley
from bot.dispatch import BUSY
from tests.fakes.discord import FakeDiscord, Room, User
from tests.fakes.openai import FakeOpenAI, faults
from tests.fakes.teams import FakeTeams
from tests.fakes.teams.world import Conversation, Person

MINUTES = 3.0
GAP = 0.15  # seconds between two questions, on either platform
ON_DISCORD = 0.8  # of all questions
TWICE = 0.1  # of all events
FAULTS = 1.0  # seconds between two faults
PATIENCE = 90.0  # seconds after the last question in which everything is to be answered
ROOMS = 10
CONVERSATIONS = 5
FULL = 2000  # turns after which contexts and SQLite's cache are full
JUDGED = 200  # turns after that for growth to be judged
MOST_MEMORY = 350.0  # MiB, ever
MOST_LAG = 0.25  # seconds
MOST_GROWTH = 1.0  # KiB a turn

_CALLS = r"/channels/.*"
_MODEL_FAULTS = (
    faults.status(429, retry_after=1),
    faults.status(500),
    faults.cut(),
    faults.no_finish(),
    faults.content_filter(),
    faults.empty(),
    faults.html(),
)
Deed = Callable[[], Coroutine[Any, Any, object] | object]


@dataclass(frozen=True)
class Asked:
    """A question, how to see the messages that answer it, and everything else the bot said where it was asked."""

    platform: str
    mark: str
    answers: Callable[[], list[str]]
    around: Callable[[], list[str]]

    @property
    def told(self) -> bool:
        """Whether somebody who looks knows what became of it; the notice of too much being asked is for all."""
        return self.turned_away or any(text and text != "…" for text in self.answers())

    @property
    def turned_away(self) -> bool:
        return not self.answers() and BUSY in self.around()


class Soak:
    def __init__(self, discord: FakeDiscord, teams: FakeTeams, openai: FakeOpenAI, child: Child) -> None:
        self.discord, self.teams, self.openai, self.child = discord, teams, openai, child
        self.asked: list[Asked] = []
        self.refused: list[str] = []
        self.injected: Counter[str] = Counter()
        self.memory: list[tuple[float, float]] = []  # (turns so far, KiB)
        self.lag = 0.0
        self._numbers = itertools.count(1)
        self._chance = random.Random(7)
        self._people = [discord.person(f"person{number}") for number in range(20)]
        guild = discord.guild()
        for person in self._people:
            discord.join(guild, person)
        self._rooms = [discord.channel(guild, f"channel{number}") for number in range(ROOMS)]
        colleagues = [teams.person(f"colleague{number}") for number in range(CONVERSATIONS)]
        self._conversations = [(teams.personal(each), each) for each in colleagues]

    async def talk(self, until: float) -> None:
        while time.monotonic() < until:
            if self._chance.random() < ON_DISCORD:
                await self._on_discord(self._chance.choice(self._rooms), self._chance.choice(self._people))
            else:
                await self._on_teams(*self._chance.choice(self._conversations))
            await asyncio.sleep(GAP)

    async def _on_discord(self, room: Room, person: User) -> None:
        await self.discord.say(room, person, "that is not for the bot")
        mark = f"q{next(self._numbers)}"
        post = await self.discord.say(room, person, f"what is {mark}?", mention_bot=True)
        if self._chance.random() < TWICE:
            await self.discord.publish_post(post)
        self.asked.append(
            Asked(
                "discord",
                mark,
                lambda: [each.content for each in self.discord.answers(room) if each.reply_to is post],
                lambda: [each.content for each in self.discord.answers(room)],
            )
        )

    async def _on_teams(self, conversation: Conversation, person: Person) -> None:
        mark = f"q{next(self._numbers)}"
        answered = await self.teams.say(conversation, person, f"what is {mark}?")
        if answered.status != 202:
            self.refused.append(f"{mark}: {answered.status}")
        if self._chance.random() < TWICE:
            await self.teams.deliver(answered.activity)
        self.asked.append(
            Asked(
                "teams",
                mark,
                lambda: [shown.text for shown in self.teams.answers(conversation) if shown.answers == answered.id],
                lambda: [shown.text for shown in self.teams.answers(conversation)],
            )
        )

    async def disturb(self, until: float) -> None:
        discord, teams = self.discord, self.teams
        deeds: dict[str, Deed] = {
            "discord 429": lambda: discord.throttle("POST", _CALLS, 1.0),
            "discord 429 everywhere": lambda: discord.throttle("*", _CALLS, 1.0, everywhere=True),
            "discord 500": lambda: discord.fail("*", _CALLS, 500),
            "discord post cut": lambda: discord.drop("POST", r"/channels/\d+/messages", after=False),
            "discord post accepted and cut": lambda: discord.drop("POST", r"/channels/\d+/messages", reset=True),
            "discord gateway dropped": discord.gateway.hang_up,
            "discord asks to reconnect": discord.gateway.ask_to_reconnect,
            "teams 429": lambda: teams.throttle(retry_after=1),
            "teams 500": lambda: teams.fail(500),
            "teams 502": lambda: teams.fail(502),
            "teams cut": lambda: teams.drop(after=False),
            **{
                f"model {fault.kind} {fault.status if fault.kind == 'status' else ''}".strip(): self._failing(fault)
                for fault in _MODEL_FAULTS
            },
        }
        while time.monotonic() < until:
            name = self._chance.choice(list(deeds))
            deed = deeds[name]()
            if isinstance(deed, Coroutine):
                await deed
            self.injected[name] += 1
            await asyncio.sleep(FAULTS)
        discord.faults.clear()
        teams.faults.clear()

    def _failing(self, fault: faults.Fault) -> Deed:
        return lambda: self.openai.fail_with(fault)

    async def watch(self, session: aiohttp.ClientSession) -> None:
        while True:
            found = await self.child.metrics(session)
            self.lag = max(self.lag, found["parley_loop_lag_seconds"])
            turns = sum(count for name, count in found.items() if name.startswith("parley_turns_total"))
            self.memory.append((turns, self.child.memory()[0] * 1024))
            await asyncio.sleep(1)


def _slope(points: list[tuple[float, float]]) -> float:
    """How much the second value grows with the first, by least squares; 0 for too few points."""
    if len({first for first, _ in points}) < 2:
        return 0.0
    middle = [sum(each) / len(points) for each in zip(*points, strict=True)]
    spread = sum((first - middle[0]) ** 2 for first, _ in points)
    return sum((first - middle[0]) * (second - middle[1]) for first, second in points) / spread


async def main(minutes: float) -> int:
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        discord = await stack.enter_async_context(FakeDiscord())
        teams = await stack.enter_async_context(FakeTeams())
        openai = await stack.enter_async_context(FakeOpenAI())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        environment = {
            "DISCORD_TOKEN": discord.token,
            "PARLEY_DISCORD_API": discord.api,
            "OPENAI_BASE_URL": openai.url,
            "OPENAI_API_KEY": openai.key,
            **teams.environment(),
        }
        child = parley(folder, **environment)
        soak = Soak(discord, teams, openai, child)
        await stack.enter_async_context(child)
        await discord.online()
        teams.bot_url = f"{child.address}/api/messages"
        watching = asyncio.create_task(soak.watch(session))
        began = time.monotonic()
        until = began + minutes * 60
        await asyncio.gather(soak.talk(until), soak.disturb(until))
        end = time.monotonic() + PATIENCE
        while not all(each.told for each in soak.asked) and time.monotonic() < end:  # noqa: ASYNC110 - two platforms tell of no common event
            await asyncio.sleep(0.2)
        await child.quiet(session)
        settled = time.monotonic() - until
        watching.cancel()
        await asyncio.wait([watching])
        code = await child.stop()
        return _report(soak, settled, code)


def _report(soak: Soak, settled: float, code: int) -> int:
    asked = Counter(each.platform for each in soak.asked)
    kinds = Counter(
        "answer" if any(e.mark in t for t in e.answers()) else "turned away" if e.turned_away else "notice"
        for e in soak.asked
    )
    doubled = [f"{each.platform} {each.mark} {each.answers()}" for each in soak.asked if len(each.answers()) > 1]
    lost = [f"{each.platform} {each.mark} {each.answers()}" for each in soak.asked if not each.told]
    away = sum(each.turned_away for each in soak.asked)
    rows = soak.child.inbox()
    undone = {state: count for state, count in rows.items() if state not in ("done", "failed", "expired", "joined")}
    full = [point for point in soak.memory if point[0] >= FULL]
    growth = _slope(full) if full and full[-1][0] - full[0][0] >= JUDGED else None
    judged = "growth not judged: too short" if growth is None else f"{growth:+.2f} KiB a turn once warm"
    memory = [size / 1024 for _, size in soak.memory]
    print(f"{dict(asked)} questions: {dict(kinds)}; settled {settled:.1f} s after the last one")
    print(f"injected: {dict(soak.injected)}")
    print(f"log: {dict(soak.child.complaints())}")
    print(f"memory: {memory[0]:.0f} → {memory[-1]:.0f} MiB, {judged}; inbox {dict(rows)}")
    promises = {
        "every question is answered, alone or with the next one, or told why not": len(lost) <= rows["joined"],
        "none is answered twice": not doubled,
        "Teams is always told 202": not soak.refused,
        "no row is left unfinished": not undone,
        "only who was turned away, or is answered with the next one, got no answer of their own": (
            rows["expired"] <= away and away + len(lost) <= rows["expired"] + rows["joined"]
        ),
        f"memory stays below {MOST_MEMORY:g} MiB": max(memory) < MOST_MEMORY,
        f"the loop stood still for less than {MOST_LAG:g} s (at worst {soak.lag * 1000:.0f} ms)": soak.lag < MOST_LAG,
        "it ends with exit code 0": code == 0,
    }
    if growth is not None:
        promises[f"memory grows by less than {MOST_GROWTH:g} KiB a turn"] = growth < MOST_GROWTH
    for promise, kept in promises.items():
        print(f"{'kept  ' if kept else 'BROKEN'} {promise}")
    for each in (*lost, *doubled, *soak.refused):
        print(f"  {each}")
    return 0 if all(promises.values()) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES)))
