"""Pieces → posts and edits, at the platform's pace.

While an answer grows, the newest text is shown as often as the platform allows and no oftener: it is put together when
the platform is ready for it. When the answer ends, the whole of it is shown. Every part of an answer is posted under a
nonce made from its question, so that posting it again after a fault shows it once.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

import structlog

from bot.adapter import Adapter, Gone, PostFailed, Step
from bot.errors import UserError
from bot.markup import clean, close, length, split, tame
from bot.media import MediaError, shrink_picture
from bot.messages import Attachment, Button, Channel, Footer, Keep, Message, Preview, Reply, Status
from bot.skill import Piece

__all__ = ["Answer", "Delivery", "nonce_of"]

log = structlog.get_logger(__name__)

PLACEHOLDER = "…"
MOST_CHARACTERS = 100_000  # of one answer; what says more than this has lost its way
STOP = Button("stop", "Stop")
WHOLE = "the whole answer is in the file"
_SPREAD = 0.25  # by which the slowest answer is slower than the platform's pace
_FOOTER_ROOM = 8  # what a platform's own marks around a footer may take


@dataclass(slots=True)
class Answer:
    """What has been said so far in answer to one message, what stands below it, and what is kept with it."""

    text: str = ""
    footers: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    status: str = ""
    preview: Attachment | None = None
    buttons: list[Button] = field(default_factory=list)
    kept: Keep | None = None

    def clear(self) -> None:
        """Begin again: the question was changed."""
        self.text, self.status, self.preview, self.kept = "", "", None, None
        self.footers.clear()
        self.attachments.clear()
        self.buttons.clear()

    def add(self, piece: Piece) -> None:
        """Take in a piece, cleaned of what no platform should be asked to show."""
        match piece:
            case str():
                self.text += clean(piece)
                if len(self.text) > MOST_CHARACTERS:
                    self.text = self.text[:MOST_CHARACTERS]
                    raise UserError("This answer was getting too long, so it ends here.")
            case Attachment():
                self.attachments.append(piece)
            case Footer(text):
                if text not in self.footers:
                    self.footers.append(clean(text))
            case Status(text):
                self.status = clean(text)
            case Preview(attachment):
                self.preview = attachment
            case Button():
                self.buttons = [*(each for each in self.buttons if each.action != piece.action), piece]
            case Keep():
                self.kept = piece

    def settle(self) -> None:
        """Nothing more will be said: what stands there now is what is shown and remembered."""
        self.text = close(tame(self.text)).strip("\n")

    def add_sentence(self, sentence: str) -> None:
        """Add a remark of the bot's own in a paragraph of its own."""
        closed = close(self.text.rstrip())
        self.text = f"{closed}\n\n{sentence}" if closed else sentence

    @property
    def empty(self) -> bool:
        return not self.text.strip() and not self.attachments


class Delivery:
    """One answer on its way. Use as a context manager around the speaking; then `finish`.

    `shown` are the ids of the messages that show it by now, by part. `begin` is awaited once, before anything is shown;
    `posted` after each new message. With `again`, parts may have been posted before by a process that is gone.
    """

    def __init__(
        self,
        adapter: Adapter,
        message: Message,
        answer: Answer,
        *,
        begin: Callable[[], Awaitable[None]],
        posted: Callable[[int, str, bool], Awaitable[None]],
        shown: dict[int, str] | None = None,
        first: int = 0,
        again: bool = False,
    ) -> None:
        self._adapter = adapter
        self._message = message
        self._channel = message.channel
        self._answers = message.reply_to or message.id
        self._answer = answer
        self._begin = begin
        self._posted = posted
        self.shown = dict(shown or {})
        self.unrecorded: dict[int, str] = {}  # what `posted` was told to be the last of it all, and need not keep
        self._first = first
        self._again = again
        self._replies: dict[int, Reply] = {}
        self._limits = adapter.limits(message.channel)
        # Each answer keeps its own time, so that many which begin together are not all shown in the same moment.
        self._beat = self._limits.pace * (1 + _SPREAD * int(nonce_of(self._channel, message.id, 0)[:4], 16) / 0xFFFF)
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._queueing: set[asyncio.Task[Any]] = set()  # those of them that wait until the platform is ready

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._keep_showing(), name="showing")]
        if self._limits.typing and not self._message.private:
            self._tasks.append(asyncio.create_task(self._keep_typing(), name="typing"))
        if not self._limits.once:
            self._changed.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The tasks end by themselves: a platform's send is never cancelled half-way.
        self._ending.set()
        self._changed.set()
        self._overtake()
        await asyncio.gather(*self._tasks)

    def add(self, piece: Piece) -> None:
        """Take a piece of the answer. It is shown as soon as the platform's pace allows."""
        self._answer.add(piece)
        self._changed.set()

    @property
    def attaches(self) -> bool:
        """Whether files go with the answer."""
        return bool(self._answer.attachments)

    async def fit(self) -> None:
        """Make pictures smaller that are too large for this channel, instead of leaving them out."""
        most = self._limits.attachment_bytes
        for number, each in enumerate(self._answer.attachments):
            if len(each.data) > most and each.kind == "image":
                try:
                    self._answer.attachments[number] = await shrink_picture(each, most)
                except MediaError as error:
                    log.info("a picture stays too large", bytes=len(each.data), most=most, error=type(error).__name__)

    async def finish(self) -> None:
        """Show the whole answer. Raises `PostFailed` when the platform does not take it, `Gone` when it never will."""
        replies = [] if self._answer.empty else await self._composed()
        end = self._first + len(replies)
        over = [part for part in self.shown if part >= end]
        for part, reply in enumerate(replies, self._first):
            if self._replies.get(part) != reply:
                await self._adapter.ready(self._channel, "end" if self.shown else "begin", self._answers)
                await self._show(part, reply, last=part == end - 1 and not over)
        for part in over:
            await self._adapter.ready(self._channel, "end", self._answers)
            await self._adapter.remove(self._channel, self.shown.pop(part))

    async def _keep_showing(self) -> None:
        while not self._ending.is_set():  # it may have come, and been taken for a change, while something was shown
            await self._changed.wait()
            if not self.shown and self._limits.once:
                await self._pause(self._beat / 4)  # a short answer is posted whole, a long one not by a syllable
            if self._ending.is_set():
                return
            self._changed.clear()
            more = False
            try:
                more = await self._show_newest()
            except PostFailed as error:
                # The rest of the answer is still on its way, and `finish` shows all of it or says why it cannot.
                log.warning("part of an answer was not shown yet", platform=self._channel.platform, error=str(error))
                if isinstance(error, Gone):
                    return
            if more:
                self._changed.set()
            else:
                await self._pause(self._beat)

    async def _show_newest(self) -> bool:
        """Show one message as it looks when the platform is ready for it. Returns whether others change as well."""
        if not self._visible:
            return False
        if not self.shown:
            await self._begin()
        if not await self._ready("grow" if self.shown else "begin"):
            return False
        self._changed.clear()  # what came while it waited is shown with this
        news = [each for each in enumerate(self._compose(), self._first) if self._replies.get(each[0]) != each[1]]
        if news:
            await self._show(*news[0])
        return len(news) > 1

    async def _keep_typing(self) -> None:
        while not self._ending.is_set() and not self.shown:
            if await self._ready("sign") and not self.shown:
                await self._adapter.typing(self._channel)
            await self._pause(self._limits.typing)

    async def _ready(self, step: Step) -> bool:
        """Wait until the platform is ready for this; `False` when it was overtaken by what comes after it."""
        task = asyncio.current_task()
        assert task is not None
        if self._ending.is_set():
            return False
        self._queueing.add(task)
        try:
            return await self._adapter.ready(self._channel, step, self._answers)
        except asyncio.CancelledError:
            if task in self._queueing:
                raise
            task.uncancel()
            return False
        finally:
            self._queueing.discard(task)

    def _overtake(self) -> None:
        """Let nobody wait any more to show what is shown by now, or will be in a moment."""
        for task in self._queueing:
            task.cancel()
        self._queueing.clear()

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), seconds)

    @property
    def _visible(self) -> bool:
        """Whether there is anything to be shown while the answer grows."""
        return bool(self._answer.text.strip() or self._answer.status) or not self._limits.once

    def _compose(self) -> list[Reply]:
        """The messages that show the answer while it grows."""
        answer = self._answer
        said = bool(answer.text.strip())
        text = answer.text if said else answer.status
        if not text and not self._limits.once:
            text = PLACEHOLDER
        if not text:
            return []
        parts = split(self._adapter.shape(close(tame(text))), self._limits.characters)
        parts = parts[: self._limits.messages or None]
        unfinished = (answer.preview,) if answer.preview and not answer.attachments else ()
        last = Reply(parts[-1], self._fitting(list(unfinished))[0], buttons=(STOP,), running=True, status=not said)
        return self._for_whom([*(Reply(part) for part in parts[:-1]), last])

    async def _composed(self) -> list[Reply]:
        """The messages that show the whole answer; where that would be a flood of them, the rest is in a file."""
        answer, most = self._answer, self._limits.messages
        text, pictures = await self._adapter.finish(answer.text)
        parts = split(text, self._limits.characters)
        footer = " · ".join(answer.footers)
        files = [*answer.attachments, *pictures]
        over = bool(footer) and length(parts[-1]) + length(footer) + _FOOTER_ROOM > self._limits.characters
        if most and len(parts) + over > most:
            files.insert(0, Attachment("answer.md", "text/markdown", answer.text.encode()))
            footer = f"{WHOLE} · {footer}" if footer else WHOLE
            room = self._limits.characters - length(footer) - _FOOTER_ROOM
            parts = [*parts[: most - 1], split(parts[most - 1], room)[0]]
        elif over:
            parts.append("")
        attachments, left_out = self._fitting(files)
        if left_out:
            footer = f"{footer} · {left_out}" if footer else left_out
        last = Reply(parts[-1], attachments, footer, tuple(answer.buttons[: self._limits.buttons]))
        return self._for_whom([*(Reply(part) for part in parts[:-1]), last])

    def _for_whom(self, replies: list[Reply]) -> list[Reply]:
        return [replace(reply, private=True) for reply in replies] if self._message.private else replies

    def _fitting(self, attachments: list[Attachment]) -> tuple[tuple[Attachment, ...], str]:
        """The attachments this channel can carry, and a word about those it cannot."""
        fitting = tuple(each for each in attachments if len(each.data) <= self._limits.attachment_bytes)
        fitting = fitting[: self._limits.attachments]
        missing = len(attachments) - len(fitting)
        if not missing:
            return fitting, ""
        most = self._limits.attachment_bytes // (1024 * 1024)
        return fitting, f"{missing} file(s) left out: this channel takes {self._limits.attachments} of up to {most} MB"

    async def _show(self, part: int, reply: Reply, *, last: bool = False) -> None:
        if part not in self.shown:
            await self._begin()
            nonce = nonce_of(self._channel, self._message.id, part)
            message_id = await self._adapter.post(self._channel, reply, answers=self._answers, nonce=nonce)
            self.shown[part] = message_id
            self._overtake()
            last = last and not self._again
            await self._posted(part, message_id, last)
            if last:  # the question is closed now, and this is written down with that
                self.unrecorded[part] = message_id
            if self._again:  # the platform may have kept what an earlier attempt had posted
                await self._adapter.ready(self._channel, "end", self._answers)
                await self._adapter.edit(self._channel, message_id, reply)
        else:
            await self._adapter.edit(self._channel, self.shown[part], reply)
        self._replies[part] = reply


def nonce_of(channel: Channel, answers: str, part: int) -> str:
    """The same for every attempt at the same part, and at most 25 characters, as Discord wants it."""
    return hashlib.sha256("\x1f".join((*channel.key, answers, str(part))).encode()).hexdigest()[:24]
