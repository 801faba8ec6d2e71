"""kill -9 at every step, on Discord and on Teams: exactly one answer or one honest notice, and nothing paid twice."""

import asyncio
import contextlib
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.config import Config
from bot.conversation import INTERRUPTED
from tests import forks
from tests.fakes.discord import FakeDiscord, Post
from tests.fakes.openai import FakeOpenAI
from tests.fakes.teams import FakeTeams
from tests.fakes.teams.world import Shown
from tests.killpoint import STEPS

ANSWER = "Lisbon is an hour behind."
BEGUN = {  # by then something may have been paid for, and what was said is lost
    "begun, nothing shown",
    "shown, its id not stored",
    "shown, its id stored",
    "answered by the model, nothing kept",
}
DEADLINE = 20.0


class Process:
    """Parley as an operator's machine runs it: a process of its own."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "PARLEY_DATA": str(folder),
            "PARLEY_PROBE": "0",
            **environment,
        }
        self._process: forks.Forked | None = None
        self.address = ""

    async def start(self, step: str = "", *, fresh: bool = False) -> None:
        """Start it, to die at `step`, and wait until it says that it is ready."""
        await self.close()
        module, words = ("tests.killpoint", [step, "run"]) if step else ("bot", ["run"])
        self._process = await forks.start(
            module, *words, env=self._environment, piped=(False, True, False), fresh=fresh
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(DEADLINE):
            async for line in self._process.stdout:
                if line.startswith(b"http://"):
                    self.address = line.decode().partition("/?token=")[0]
                    return
        raise AssertionError("Parley did not start")

    async def died(self) -> None:
        """Wait for its sudden end."""
        assert self._process is not None
        async with asyncio.timeout(DEADLINE):
            assert await self._process.wait() == -signal.SIGKILL

    async def stop(self) -> None:
        """End it as an operator would; it ends well."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            async with asyncio.timeout(25):
                assert await self._process.wait() == 0

    async def close(self) -> None:
        if self._process is not None:
            await self._process.close()


class Place(ABC):
    """Where the question is asked."""

    @abstractmethod
    async def arrived(self, process: Process) -> None:
        """Parley is there."""

    @abstractmethod
    async def ask(self) -> None:
        """Ask the question."""

    @abstractmethod
    async def keep_to_its_word(self) -> None:
        """What the platform delivers again by itself when the bot has not acknowledged it."""

    @abstractmethod
    async def ask_again(self) -> None:
        """The same event, delivered once more."""

    @abstractmethod
    def seen(self) -> list[str]:
        """What the bot shows by now."""

    @abstractmethod
    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until it is true of what is seen."""


class Discord(Place):
    def __init__(self, discord: FakeDiscord) -> None:
        self.discord = discord
        self.ada = discord.person("Ada")
        guild = discord.guild()
        discord.join(guild, self.ada)
        self.room = discord.channel(guild)
        self.question: Post | None = None

    async def arrived(self, process: Process) -> None:
        await self.discord.online(within=DEADLINE)

    async def ask(self) -> None:
        self.question = await self.discord.say(self.room, self.ada, "What time is it in Lisbon?", mention_bot=True)

    async def keep_to_its_word(self) -> None:
        """Discord delivers nothing again: whoever was away has to look for it."""

    async def ask_again(self) -> None:
        assert self.question is not None
        await self.discord.publish_post(self.question)

    def seen(self) -> list[str]:
        return [post.content for post in self.discord.answers(self.room)]

    async def until(self, true: Callable[[], bool]) -> None:
        await self.discord.until(true, within=DEADLINE)


class Teams(Place):
    def __init__(self, teams: FakeTeams) -> None:
        self.teams = teams
        self.ada = teams.person("Ada")
        self.conversation = teams.personal(self.ada)
        self.activity = teams.message(self.conversation, self.ada, "What time is it in Lisbon?")

    async def arrived(self, process: Process) -> None:
        self.teams.bot_url = f"{process.address}/api/messages"

    async def ask(self) -> None:
        self.conversation.add(Shown(str(self.activity["id"]), self.ada.name, False, self.activity))
        with contextlib.suppress(Exception):  # a bot that dies does not answer; Teams sends the message again
            await self.teams.deliver(self.activity)

    async def keep_to_its_word(self) -> None:
        await self.ask_again()

    async def ask_again(self) -> None:
        answered = await self.teams.deliver(self.activity)
        assert answered.status in (200, 202)

    def seen(self) -> list[str]:
        return [shown.text for shown in self.teams.answers(self.conversation) if shown.text]  # the rest are buttons

    async def until(self, true: Callable[[], bool]) -> None:
        await self.teams.until(true, within=DEADLINE)


@pytest.fixture
async def openai() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI() as openai:
        openai.reply_with(ANSWER)
        yield openai


@pytest.fixture(params=["discord", "teams"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Place, dict[str, str]]]:
    if request.param == "discord":
        async with FakeDiscord() as discord:
            yield (
                Discord(discord),
                {"DISCORD_TOKEN": discord.token, "PARLEY_DISCORD_API": discord.api, "PORT": "0"},
            )
    else:
        async with FakeTeams() as teams:
            yield Teams(teams), {**teams.environment(), "PORT": "0"}


async def test_an_operator_who_stops_it_leaves_no_answer_hanging(
    place: tuple[Place, dict[str, str]], openai: FakeOpenAI, config: Config
) -> None:
    there, environment = place
    openai.hold()
    await openai.release(3)
    models = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}
    process = Process({**environment, **models, "PARLEY_DRAIN_SECONDS": "1"}, config.folder)
    try:
        await process.start(fresh=True)
        await there.arrived(process)
        await there.ask()
        await there.until(lambda: any("Lisbon" in text for text in there.seen()))
        began = time.monotonic()
        await process.stop()  # the model never says the rest
        assert time.monotonic() - began < 10
        (text,) = there.seen()
        assert text.startswith("Lisbon")
        assert INTERRUPTED in text
        await process.start()
        await there.arrived(process)
        await there.ask_again()
        await process.stop()
        assert there.seen() == [text]
        assert len(openai.of()) == 1
    finally:
        await process.close()


@pytest.mark.parametrize("step", STEPS)
async def test_after_a_kill_there_is_one_answer_or_one_notice(
    place: tuple[Place, dict[str, str]], openai: FakeOpenAI, config: Config, step: str
) -> None:
    there, environment = place
    models = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}
    process = Process({**environment, **models}, config.folder)
    try:
        if step.startswith("shown"):
            openai.hold()  # so that a part of the answer is shown before there is the whole
            await openai.release(3)
        await process.start(step)
        await there.arrived(process)
        await there.ask()
        await process.died()
        await openai.release()
        expected = INTERRUPTED if step in BEGUN else ANSWER
        for _ in range(2 if step == "answer delivered, not recorded" else 1):
            await process.start()
            await there.arrived(process)
            await there.keep_to_its_word()
            await there.until(lambda: expected in there.seen())
            await there.ask_again()
            await process.stop()
        orphans = 1 if isinstance(there, Teams) and step == "shown, its id not stored" else 0
        assert there.seen() == ["…"] * orphans + [expected]
        assert len(openai.of()) <= 1
    finally:
        await process.close()


@pytest.fixture
async def discord(openai: FakeOpenAI, config: Config) -> AsyncIterator[tuple[Discord, Process]]:
    async with FakeDiscord() as fake:
        models = {"OPENAI_BASE_URL": openai.url, "OPENAI_API_KEY": openai.key}
        environment = {"DISCORD_TOKEN": fake.token, "PARLEY_DISCORD_API": fake.api, "PORT": "0", **models}
        process = Process(environment, config.folder)
        yield Discord(fake), process
        await process.close()


@pytest.mark.parametrize(("step", "answers"), [("before two questions are joined", 2), ("two questions are joined", 1)])
async def test_questions_that_were_to_be_answered_together_are_all_answered_after_a_kill(
    discord: tuple[Discord, Process], openai: FakeOpenAI, step: str, answers: int
) -> None:
    there, process = discord
    openai.hold()
    await process.start(step)
    await there.arrived(process)
    await there.ask()
    await openai.called()
    for more in ("And in Porto?", "And in Faro?"):
        await there.discord.say(there.room, there.ada, more, mention_bot=True)
    await process.died()
    await openai.release()
    await process.start()
    await there.arrived(process)
    await there.until(lambda: there.seen().count(ANSWER) == answers)
    await process.stop()
    assert sorted(there.seen()) == sorted([INTERRUPTED, *[ANSWER] * answers])
    shown = [str(call.body["messages"]) for call in openai.of()[1:]]
    assert len(shown) == answers
    assert all(any(place in each for each in shown) for place in ("Porto", "Faro"))


async def test_an_answer_that_was_to_be_given_again_is_given_or_excused_in_its_place_after_a_kill(
    discord: tuple[Discord, Process], openai: FakeOpenAI
) -> None:
    there, process = discord
    await process.start("taken up again")
    await there.arrived(process)
    await there.ask()
    await there.until(lambda: ANSWER in there.seen())
    (answer,) = there.discord.answers(there.room)
    openai.reply_with("Lisbon is still an hour behind.")
    await there.discord.press(answer, there.ada, "Regenerate")
    await process.died()
    await process.start()
    await there.arrived(process)
    await there.until(lambda: there.seen() == ["Lisbon is still an hour behind."])
    await process.stop()
    assert len(openai.of()) == 2
