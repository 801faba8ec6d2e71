"""A loopback Discord with many channels, and what the bot showed there and when."""

import itertools
import re
import time
from dataclasses import dataclass, field

from bench.model import Model
from tests.fakes.discord import FakeDiscord, Post, Room, User

__all__ = ["Question", "Scene", "at", "wide"]

_MARK = re.compile(r"\bq\d+\b")
_WORD = re.compile(r"\bw(\d+)\b")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Question:
    mark: str
    post: Post
    said: float = field(default_factory=time.monotonic)  # just after it went out on the gateway


class Scene:
    """`guilds` servers of `channels` channels each, and `people` who are in all of them."""

    def __init__(self, discord: FakeDiscord, model: Model, *, guilds: int = 1, channels: int = 50, people: int = 50):
        self.discord = discord
        self.model = model
        self.delays: list[float] = []  # for each unfinished text shown: how long ago its newest word was said
        self._whole: dict[str, float] = {}
        self._looked_at = 0
        self.people: list[User] = [discord.person(f"person{number}") for number in range(people)]
        self.rooms: list[Room] = []
        for number in range(guilds):
            guild = discord.guild(f"guild{number}")
            for person in self.people:
                discord.join(guild, person)
            self.rooms += [discord.channel(guild, f"channel{each}") for each in range(channels)]

    def environment(self) -> dict[str, str]:
        """What a bot has to know to come here."""
        return {
            "DISCORD_TOKEN": self.discord.token,
            "PARLEY_DISCORD_API": self.discord.api,
            **self.model.environment(),
        }

    async def ask(self, room: Room, person: User) -> Question:
        """Somebody asks the bot something."""
        mark = f"q{next(_numbers)}"
        return Question(mark, await self.discord.say(room, person, f"what is {mark}?", mention_bot=True))

    async def chat(self, room: Room, person: User) -> None:
        """Somebody says something that is not for the bot."""
        await self.discord.say(room, person, "did anybody see the match last night?")

    def whole(self) -> dict[str, float]:
        """When the whole answer to each question reached Discord, as far as that was taken."""
        calls = self.discord.calls
        while self._looked_at < len(calls) and calls[self._looked_at].status:
            call = calls[self._looked_at]
            self._looked_at += 1
            mark = _MARK.match(text := _content(call.json))
            if mark is None or call.status != 200:
                continue
            words = _WORD.findall(text)
            sent = self.model.sent[mark[0]]
            if text.startswith(self.model.answer(mark[0])):
                self._whole.setdefault(mark[0], call.at)
            elif words:
                self.delays.append(call.at - sent[int(words[-1])])
        return self._whole

    def shown(self, room: Room) -> dict[str, int]:
        """How many visible messages of the bot in this channel answer each question; "" for those that say else."""
        found: dict[str, int] = {}
        for post in self.discord.answers(room):
            mark = _MARK.match(post.content)
            found[mark[0] if mark else ""] = found.get(mark[0] if mark else "", 0) + 1
        return found

    async def until_whole(self, questions: list[Question], within: float = 60) -> dict[str, float]:
        """Wait until all of them are answered."""
        for question in questions:
            await self.discord.until(lambda mark=question.mark: mark in self.whole(), within=within)
        return self._whole


def _content(json: object) -> str:
    return str(json.get("content") or "") if isinstance(json, dict) else ""


def wide(discord: FakeDiscord) -> FakeDiscord:
    """Let its limits be told in every answer, as Discord does, but never be reached."""
    discord.limits.sizes = dict.fromkeys(discord.limits.sizes, (100_000, 1.0))
    discord.limits.usual = (100_000, 1.0)
    discord.limits.per_second = 1_000_000
    return discord


def at(share: float, values: list[float]) -> float:
    """The value below which this share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
