"""What belongs to one turn while it lasts: its message, the means to stop it, and what it has used."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from bot.budget import stand_in
from bot.markup import clean, clean_name
from bot.media import Document
from bot.messages import Attachment, Keep, Message, Quote
from bot.metrics import MODEL_CALLS, TOKENS
from bot.models import Usage
from storage import Bill

__all__ = ["STOPPED", "Once", "Running", "Tally", "cleaned", "packed", "unpacked"]

STOPPED = "Stopped."

_MESSAGE = TypeAdapter(Message)


def packed(message: Message) -> str:
    """A message as JSON, to be kept in the inbox."""
    return _MESSAGE.dump_json(message).decode()


def unpacked(body: str) -> Message:
    """The message that `packed` wrote."""
    return _MESSAGE.validate_json(body)


@dataclass(slots=True)
class Running:
    """A message on its way to its answer, and the means to stop it."""

    heard: int
    message: Message
    stopped: str = ""
    withdrawn: bool = False
    changed: bool = False
    told: bool = False  # that nothing could be kept: it is not to be answered again
    admitted: bool = False  # it is counted among what its author may ask
    shown: dict[int, str] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    _speaking: "asyncio.Task[None] | None" = None

    def stop(self, why: str = STOPPED) -> None:
        """End what is being said. What is visible by now stays, with `why` below it."""
        self.stopped = why
        self._interrupt()

    def withdraw(self) -> None:
        """The question is gone. What is visible of an answer stays; where there is nothing yet, nothing comes."""
        self.withdrawn = True
        self.stop()

    def change(self, message: Message) -> None:
        """The question is another now: what is being said begins again."""
        self.message = message
        self.changed = True
        self._interrupt()

    def concerns(self, message_id: str) -> bool:
        """Whether this is the message of its question, or one that shows its answer."""
        return message_id == self.message.id or message_id in self.shown.values()

    def edited(self, message: Message) -> Message | None:
        """The question as it is once its author has changed `message`; None when that has no part in it."""
        if message.id == self.message.id:
            if message.text == self.message.text:
                return self.message
            return replace(message, before=self.message.before, skill=self.message.skill, request=self.message.request)
        if all(said.message_id != message.id for said in self.message.before):
            return None
        before = tuple(
            replace(said, text=message.text) if said.message_id == message.id else said for said in self.message.before
        )
        return replace(self.message, before=before)

    def without(self, gone: Collection[str]) -> Message | None:
        """The question without what was said before it and is gone; None when none of it is."""
        before = tuple(said for said in self.message.before if said.message_id not in gone)
        return replace(self.message, before=before) if len(before) < len(self.message.before) else None

    def _interrupt(self) -> None:
        if self._speaking is not None:
            self._speaking.cancel()

    async def speak(self, say: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Say it, until everything is said or `stop` is called. Raises what the skill raised."""
        while not self.stopped:
            self.changed = False
            self._speaking = asyncio.create_task(say(), name="speaking")
            try:
                await asyncio.wait([self._speaking])
            finally:
                self._speaking.cancel()
            if not self.changed:
                if not self._speaking.cancelled():
                    self._speaking.result()
                return


class Tally:
    """What one answer has used and read, which skill gave it, and which one kept something with it."""

    def __init__(self) -> None:
        self.skill = ""
        self.keeper = ""
        self._kept: Keep | None = None
        self.documents: list[Document] = []
        self.used: list[Bill] = []

    def keep(self, kept: Keep, skill: str) -> None:
        """Note which skill kept this: the first through whose hands it goes."""
        if kept is not self._kept:
            self._kept, self.keeper = kept, skill

    def add(self, usage: Usage) -> None:
        MODEL_CALLS.labels(usage.provider, usage.model, usage.role).inc()
        TOKENS.labels(usage.provider, usage.model, "in").inc(usage.input_tokens)
        TOKENS.labels(usage.provider, usage.model, "out").inc(usage.output_tokens)
        self.used.append(
            Bill(
                usage.provider,
                usage.model,
                usage.role,
                usage.input_tokens,
                usage.output_tokens,
                usage.pictures,
                usage.seconds,
                usage.estimated or usage.cost is None,
                usage.cached_tokens,
                stand_in(usage) if usage.cost is None else usage.cost,
            )
        )

    def book(self, cost: int) -> None:
        """Something may have cost so many micro-dollars; nobody knows any more what."""
        if cost:
            self.used.append(Bill("", "", "", estimated=True, cost=cost))


class Once:
    """Awaits something once, however many ask for it at the same time."""

    def __init__(self, what: Callable[[], Awaitable[None]]) -> None:
        self._what = what
        self._lock = asyncio.Lock()
        self.done = False

    async def __call__(self) -> None:
        async with self._lock:
            if not self.done:
                await self._what()
                self.done = True


def cleaned(message: Message) -> Message:
    """The message with every text in it cleaned: nothing hidden, nothing that storage or a platform cannot hold."""
    quote = message.quote
    return replace(
        message,
        text=clean(message.text),
        author=replace(message.author, name=clean_name(message.author.name)),
        attachments=tuple(_named(each) for each in message.attachments),
        quote=quote and _cleaned_quote(quote),
    )


def _cleaned_quote(quote: Quote) -> Quote:
    return replace(
        quote,
        author=quote.author and replace(quote.author, name=clean_name(quote.author.name)),
        text=clean(quote.text),
        attachments=tuple(_named(each) for each in quote.attachments),
        earlier=tuple(_cleaned_quote(each) for each in quote.earlier),
    )


def _named(attachment: Attachment) -> Attachment:
    return replace(attachment, name=clean_name(attachment.name))
