"""What Parley bears on Discord: many streams at once, a burst, and talk that is not for it.

    python -m bench.load [streams|limited|arriving|burst|crowd|others …]

Each of these runs against a Parley of its own, in a process of its own; Discord and the model are loopback servers in
this one. `streams` lets Discord take whatever comes, so that only Parley's own delay is seen; `limited` is the same
with Discord's limits as they are, and `arriving` the same again where the answers begin within three seconds.
"""

import asyncio
import contextlib
import itertools
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp

from bench.child import Child, parley
from bench.model import Model
from bench.scene import Question, Scene, at, wide
from bot.dispatch import BUSY
from tests.fakes.discord import FakeDiscord, Room

STREAMS = 100
WORDS_A_SECOND = 30
WORDS = 300
BURST = 10_000
QUESTIONS = 500
OTHERS = 5_000


class Run:
    """Parley and who is with it."""

    def __init__(self, scene: Scene, child: Child, session: aiohttp.ClientSession) -> None:
        self.scene = scene
        self.child = child
        self.session = session
        self.lag = 0.0
        self.most_running = 0.0
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Run":
        self.lag_before = (await self.child.quiet(self.session))["parley_loop_lag_seconds"]
        self.idle = self.child.memory()[0]
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])

    async def _watch(self) -> None:
        while True:
            found = await self.child.metrics(self.session)
            self.lag = max(self.lag, found["parley_loop_lag_seconds"])
            self.most_running = max(self.most_running, found["parley_turns_running"])
            await asyncio.sleep(0.5)

    async def end(self) -> None:
        """Say how it was for Parley as a whole."""
        await self.child.quiet(self.session)
        now, most = self.child.memory()
        code = await self.child.stop()
        say("loop stood still", f"{self.lag * 1000:.0f} ms at worst ({self.lag_before * 1000:.0f} before)")
        say("memory", f"{self.idle:.0f} MiB idle, {most:.0f} at most, {now:.0f} after")
        say("stored", f"{dict(self.child.inbox())}; exit code {code}; log {dict(self.child.complaints())}")


def say(what: str, figures: str) -> None:
    print(f"  {what:28} {figures}")


@contextlib.asynccontextmanager
async def started(*, limits: bool, guilds: int = 1, channels: int, people: int) -> AsyncIterator[Run]:
    """Parley, after a first turn."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = await stack.enter_async_context(Model())
        discord = await stack.enter_async_context(FakeDiscord())
        scene = Scene(discord if limits else wide(discord), model, guilds=guilds, channels=channels, people=people)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        child = await stack.enter_async_context(parley(folder, **scene.environment()))
        await discord.online()
        await scene.until_whole([await scene.ask(scene.rooms[-1], scene.people[-1])])
        run = await stack.enter_async_context(Run(scene, child, session))
        yield run
        await run.end()


async def streams(*, limits: bool = False, within: float = 0.0) -> None:
    """Many answers at once, each as fast as a model speaks; they are asked for `within` so many seconds."""
    async with started(limits=limits, channels=STREAMS, people=STREAMS) as run:
        scene, calls = run.scene, len(run.scene.discord.calls)
        scene.model.words, scene.model.gap = WORDS, 1 / WORDS_A_SECOND
        cpu, began = run.child.cpu(), time.monotonic()
        asked = list[Question]()
        for number, (room, person) in enumerate(zip(scene.rooms, scene.people, strict=True)):
            await asyncio.sleep(max(0.0, began + within * number / STREAMS - time.monotonic()))
            asked.append(await scene.ask(room, person))
        whole = await scene.until_whole(asked, within=120)
        took = time.monotonic() - began
        used = run.child.cpu() - cpu
        ends = [whole[each.mark] - scene.model.sent[each.mark][-1] for each in asked]
        late = scene.delays
        first = [_first_sign(scene, each, calls) for each in asked]
        spoken = WORDS / WORDS_A_SECOND
        print(
            f"{STREAMS} streams at {WORDS_A_SECOND} words/s for {spoken:.0f} s",
            "(limits on)" if limits else "",
            f"asked within {within:g} s" if within else "",
        )
        say("added to a text that grows", f"p50 {at(0.5, late) * 1000:.0f}, p99 {at(0.99, late) * 1000:.0f} ms")
        say("last byte → whole text", f"p50 {at(0.5, ends) * 1000:.0f}, p99 {at(0.99, ends) * 1000:.0f} ms")
        say("first visible sign", f"p50 {at(0.5, first) * 1000:.0f}, p95 {at(0.95, first) * 1000:.0f} ms")
        say("… the last of all", f"{max(first) * 1000:.0f} ms")
        say("running at most", f"{run.most_running:.0f}")
        say("CPU", f"{used / took:.0%} of a core, {used / STREAMS / WORDS * 1e6:.0f} µs a word")
        refused = scene.discord.limits.refused
        say("Discord calls", f"{(len(scene.discord.calls) - calls) / took:.0f}/s, {refused} refused")
        say("one answer each", f"{_answered_once(scene, asked)} of {len(asked)}")


async def burst(*, rooms: int | None = None) -> None:
    """A great many messages in about a second, some for the bot; with `rooms`, all of those in so few channels."""
    async with started(limits=True, guilds=20, channels=10, people=500) as run:
        scene, chance = run.scene, random.Random(1)
        calls = len(scene.discord.calls)
        places = list(itertools.islice(itertools.cycle(scene.rooms[:rooms]), QUESTIONS))
        deeds: list[Room | None] = [*places, *[None] * (BURST - QUESTIONS)]
        chance.shuffle(deeds)
        asked, cpu, began = list[Question](), run.child.cpu(), time.monotonic()
        for room in deeds:
            await asyncio.sleep(0)  # Discord goes on answering meanwhile
            if room is None:
                await scene.chat(chance.choice(scene.rooms), chance.choice(scene.people))
            else:
                asked.append(await scene.ask(room, scene.people[len(asked)]))
        said = time.monotonic() - began
        heard = 0.0
        while heard < QUESTIONS + 1:
            await asyncio.sleep(0.05)
            heard = (await run.child.metrics(run.session))['parley_heard_total{platform="discord"}']
        taken = time.monotonic() - began
        await run.child.quiet(run.session, within=120)
        took = time.monotonic() - began
        shown = [scene.shown(room) for room in set(places)]
        marks = {each.mark for each in asked}
        answered = sum(mark in marks for found in shown for mark in found)
        doubled = sum(count > 1 for found in shown for mark, count in found.items() if mark in marks)
        notices = [[post.content for post in scene.discord.answers(room)].count(BUSY) for room in set(places)]
        where = f"in {rooms} channels" if rooms else f"in {len(scene.rooms)} channels"
        print(f"{BURST} messages in {said:.1f} s, {QUESTIONS} of them for the bot {where}")
        say("all of them stored", f"after {taken:.1f} s")
        say("normal again", f"after {took:.1f} s, {len(scene.discord.calls) - calls} calls")
        say("running at most", f"{run.most_running:.0f}")
        say("answered", f"{answered}, doubled {doubled}, turned away {len(asked) - answered}")
        say("notices", f"{sum(notices)} in {sum(map(bool, notices))} channels, at most {max(notices)} in one")
        say("CPU", f"{run.child.cpu() - cpu:.1f} s; Discord refused {scene.discord.limits.refused} calls")


async def others() -> None:
    """People talk to each other."""
    async with started(limits=True, channels=20, people=100) as run:
        scene, chance = run.scene, random.Random(2)
        cpu, began = run.child.cpu(), time.monotonic()
        for _ in range(OTHERS):
            await scene.chat(chance.choice(scene.rooms), chance.choice(scene.people))
        last = await scene.ask(scene.rooms[0], scene.people[0])  # once it is heard, all before it was
        await scene.until_whole([last])
        took, used = time.monotonic() - began, run.child.cpu() - cpu
        print(f"{OTHERS} messages that are not for the bot")
        say("CPU", f"{used / OTHERS * 1e6:.0f} µs each; {OTHERS / took:.0f}/s while they came")


def _first_sign(scene: Scene, question: Question, since: int) -> float:
    """Seconds until somebody who asks saw the bot type or write."""
    path = f"/channels/{question.post.room.id}/"
    calls = scene.discord.calls[since:]
    return min(call.at for call in calls if call.path.startswith(path) and call.status < 400) - question.said


def _answered_once(scene: Scene, asked: list[Question]) -> int:
    return sum(scene.shown(each.post.room).get(each.mark) == 1 for each in asked)


RUNS: dict[str, Callable[[], Awaitable[None]]] = {
    "streams": streams,
    "limited": lambda: streams(limits=True),
    "arriving": lambda: streams(limits=True, within=3.0),
    "burst": burst,
    "crowd": lambda: burst(rooms=5),
    "others": others,
}


async def main(names: list[str]) -> None:
    unknown = set(names) - RUNS.keys()
    if unknown:
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}. Choose from: {' '.join(RUNS)}.")
    for name in names or RUNS:
        print(f"\n{name}: ", end="")
        await RUNS[name]()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
