"""The tokens of interactions: with one, its answer can be shown for fifteen minutes, whatever the bot may do there.

They outlive the process, so that the next one finishes what this one was asked by a command. Each minute has a note of
its own, and the notes are used again and again: however many commands there are, a new one costs the same.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from bot.adapters.discord.notes import Notes

__all__ = ["LIFETIME", "Opened", "Tokens"]

_PATIENCE = 60.0  # seconds that it is waited for Discord to be joined
LIFETIME = 14 * 60.0  # seconds; Discord's own measure is fifteen minutes
_NOTES = 20  # minutes that have a note


@dataclass(slots=True)
class Opened:
    """What a person opened by a command, a menu, a dialog or a button, and what was shown in it so far.

    `answers` is the id of what is answered: the interaction's own, or the message's whose button was pressed. `first`
    says that Discord waits for the first message, and shows that the bot is thinking. `private` is for the eyes of
    `person` only; `outside` says that the bot itself is not there and has nothing but this token. `shown` maps the
    nonce of a post to its message.
    """

    answers: str
    application: str
    token: str
    at: float
    person: str = ""
    locale: str = ""
    original: str = ""
    first: bool = True
    private: bool = False
    outside: bool = False
    shown: dict[str, str] = field(default_factory=dict)

    @property
    def alone(self) -> bool:
        """Whether the token is the only way to show something there."""
        return self.private or self.outside


class Tokens:
    """Kept over restarts. `clock` gives seconds since 1970."""

    def __init__(self, notes: Notes, clock: Callable[[], float] = time.time) -> None:
        self._notes = notes
        self._clock = clock
        self._opened: dict[str, Opened] = {}  # by what it answers, the oldest first
        self._showing: dict[str, Opened] = {}  # by message
        self._loaded = asyncio.Event()

    async def load(self) -> None:
        """Take up what an earlier process was asked."""
        found: list[Opened] = []
        for number in range(_NOTES):
            kept = await self._notes.read(_note(number))
            found += [read for each in kept.values() if isinstance(each, dict) and (read := _read(each))]
        for opened in sorted(found, key=lambda each: each.at):
            if self.alive(opened):
                self._take(opened)
        self._loaded.set()

    async def known(self) -> bool:
        """Wait until it is known what an earlier process was asked, a minute at most; whether it is.

        Who does not wait would show in a channel what was to be shown to one person alone.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._loaded.wait()
        except TimeoutError:
            return False
        return True

    def alive(self, opened: Opened) -> bool:
        return bool(opened.token) and self._clock() < opened.at + LIFETIME

    def answering(self, answers: str) -> Opened | None:
        """What was opened by this question, if it was a command or a button."""
        return self._opened.get(answers)

    def showing(self, message_id: str) -> Opened | None:
        """What this message of the bot's was shown in."""
        return self._showing.get(message_id)

    async def keep(self, opened: Opened) -> None:
        """Remember it, and what has been shown in it by now."""
        self._take(opened)
        minute = int(opened.at // 60)
        same = {each.answers: asdict(each) for each in self._opened.values() if int(each.at // 60) == minute}
        await self._notes.write(_note(minute), same)

    def end(self, opened: Opened) -> None:
        """Discord takes the token no more."""
        opened.token = ""

    def _take(self, opened: Opened) -> None:
        self._opened.pop(opened.answers, None)
        self._opened[opened.answers] = opened
        for message_id in (opened.original, *opened.shown.values()):
            if message_id:
                self._showing[message_id] = opened
        oldest = self._clock() - 2 * LIFETIME  # a little longer than they live, to know what is past
        while self._opened and (first := next(iter(self._opened.values()))).at < oldest:
            del self._opened[first.answers]
            for message_id in (first.original, *first.shown.values()):
                if self._showing.get(message_id) is first:
                    del self._showing[message_id]


def _note(minute: int) -> str:
    return f"interactions {minute % _NOTES}"


def _read(kept: dict[str, Any]) -> Opened | None:
    try:
        return Opened(**kept)
    except TypeError:  # written by another version
        return None
