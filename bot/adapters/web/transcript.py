"""What the page shows of its rooms: kept in storage and, while an answer grows, in memory.

Every change goes to the open pages at once. A growing answer is written to storage once a second, its end always.
"""

import asyncio
import hashlib
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.adapter import Gone, PostFailed
from bot.adapters.web.events import Events
from bot.adapters.web.facts import button_facts, file_facts, files_of, message_facts, room_facts, stored_facts
from bot.adapters.web.rendering import Rendered, grow, render
from bot.markup import clean_name
from bot.media.sniffing import extension
from bot.messages import Attachment, Reply
from storage import File, Room, RoomMessage, Rooms
from storage.rooms import FileFacts

__all__ = ["Transcript"]

log = structlog.get_logger(__name__)

_SAVE_SECONDS = 1.0
_IDLE = 9  # times as long as drawing a growing answer took, nothing of it is drawn again
_LONG = 16_000  # characters from which on drawing is left to a thread
INTERRUPTED = "This answer was interrupted."


@dataclass(slots=True)
class _Growing:
    """An answer that is not finished: as it was last reported, as it was last drawn, and when it was last kept.

    Its `files` are unfinished pictures, each only there until the next takes its place: they are never kept.
    """

    message: RoomMessage
    status: str
    attachments: tuple[Attachment, ...]
    files: list[File]
    shown: Rendered
    saved: float
    draw_at: float = 0.0


class Transcript:
    """The rooms, the messages in them, and what the open pages are told of both."""

    def __init__(self, rooms: Rooms, events: Events) -> None:
        self._rooms = rooms
        self._events = events
        self._growing: dict[str, _Growing] = {}

    # Answers, as the bot gives them.

    async def post(self, room: str, reply: Reply, *, answers: str, nonce: str) -> str:
        """Show an answer and return its id, which is the same for the same nonce. Raises `Gone` or `PostFailed`."""
        message_id = f"a-{hashlib.sha256(f'{room} {nonce}'.encode()).hexdigest()[:32]}"
        files = _files(message_id, reply.attachments)
        empty = RoomMessage(message_id, room, "assistant", "", datetime.now(UTC), answers=answers)
        message = _said(empty, reply, files)
        await self._keep(message, [] if reply.running else files)
        self._growing.pop(message_id, None)
        if reply.running:
            _, shown = await _grown(Rendered(), message.text)
            self._growing[message_id] = _Growing(
                message, _status(reply), reply.attachments, files, shown, time.monotonic()
            )
        if self._events.watched:
            self._events.tell("message", room=room, message=await self.drawn(message))
        else:
            self._events.skip()
        return message_id

    async def edit(self, message_id: str, reply: Reply) -> None:
        """Show an answer anew. Raises `Gone` or `PostFailed`."""
        growing = self._growing.get(message_id)
        before = growing.message if growing else await self._find(message_id)
        if before is None:
            raise Gone("the message is not there any more")
        anew = growing is None or reply.attachments != growing.attachments
        files = _files(message_id, reply.attachments) if anew or not reply.running else []
        changed = _said(before, reply, files)
        if not reply.running:
            await self._keep(changed, files)
            self._growing.pop(message_id, None)
            await self._tell_end(changed, growing.shown if growing else None)
            return
        now = time.monotonic()
        if growing is None:
            growing = _Growing(changed, "", reply.attachments, files, Rendered(), 0.0)
            self._growing[message_id] = growing
        growing.message, growing.status, growing.attachments = changed, _status(reply), reply.attachments
        if anew:
            growing.files = files
        if anew or now >= growing.draw_at:
            await self._tell_growth(growing, draw_files=anew)
        if now - growing.saved >= _SAVE_SECONDS:
            growing.saved = now
            await self._keep(changed)

    async def press(self, message_id: str, action: str, among: Sequence[str]) -> None:
        """Show a button as pressed, and `among` others no other."""
        message = await self._rooms.press(message_id, action, among)
        if message is not None:
            self._events.tell("buttons", room=message.room, id=message_id, buttons=list(message.buttons))

    def preview(self, file_id: str) -> File | None:
        """An unfinished picture, while it is shown."""
        unfinished = (file for growing in self._growing.values() for file in growing.files)
        return next((file for file in unfinished if file.id == file_id), None)

    async def take_away(self, message_id: str) -> None:
        """Take an answer away. Raises `Gone` or `PostFailed`."""
        message = await self._find(message_id)
        if message is None:
            raise Gone("the message is not there any more")
        self._growing.pop(message_id, None)
        try:
            await self._rooms.withdraw(message)
        except Exception as error:
            raise PostFailed(f"the page's storage did not take a message away: {type(error).__name__}") from error
        self._events.tell("withdrawn", room=message.room, id=message_id)

    async def _keep(self, message: RoomMessage, files: Sequence[File] = ()) -> None:
        try:
            kept = await self._rooms.show(message, files)
        except Exception as error:
            raise PostFailed(f"the page's storage did not take a message: {type(error).__name__}") from error
        if not kept:
            self._growing.pop(message.id, None)
            raise Gone("the conversation was deleted")

    async def _find(self, message_id: str) -> RoomMessage | None:
        try:
            return await self._rooms.message(message_id)
        except Exception as error:
            raise PostFailed(f"the page's storage did not answer: {type(error).__name__}") from error

    async def _tell_growth(self, growing: _Growing, *, draw_files: bool) -> None:
        if not self._events.watched:
            return
        message = growing.message
        started = time.monotonic()
        kept, shown = await _grown(growing.shown, message.text)
        growing.draw_at = time.monotonic() + _IDLE * (time.monotonic() - started)
        if self._growing.get(message.id) is not growing:
            return  # its room was deleted meanwhile
        growing.shown = shown
        change: dict[str, Any] = {"keep": kept, "blocks": shown.blocks[kept:], "footer": message.footer}
        change["status"] = growing.status
        if draw_files:
            change["files"] = [file_facts(stored_facts(file)) for file in growing.files]
        self._events.tell("edit", room=message.room, id=message.id, running=True, **change)

    async def _tell_end(self, message: RoomMessage, shown: Rendered | None) -> None:
        if not self._events.watched:
            self._events.skip()
            return
        blocks = await _drawn(message.text)
        kept = 0
        for before, now in zip(shown.blocks[: shown.settled] if shown else (), blocks, strict=False):
            if before != now:
                break
            kept += 1
        self._events.tell(
            "edit",
            room=message.room,
            id=message.id,
            running=False,
            keep=kept,
            blocks=blocks[kept:],
            text=message.text,
            footer=message.footer,
            files=files_of(message, await self._rooms.file_facts(message.files)),
            buttons=list(message.buttons),
        )

    async def settle(self) -> None:
        """End what an earlier process left running, unless the bot has taken it up again by now."""
        for message_id in await self._rooms.settle(list(self._growing), INTERRUPTED):
            log.info("an answer was left unfinished", message=message_id)

    # Messages and rooms, as the page asks for them.

    async def say(self, message: RoomMessage, files: Sequence[File], *, title: str) -> RoomMessage | None:
        """Keep what a person said; see `Rooms.say`. No page is told before the bot has heard it: see `tell`."""
        return await self._rooms.say(message, files, title=title)

    async def drawn(self, message: RoomMessage) -> dict[str, Any]:
        """A message as the page shows it."""
        return (await self._seen([message]))[0]

    def tell(self, room: Room, drawn: dict[str, Any]) -> None:
        """Tell the pages of a message that was said, and of the room it was said in."""
        self._events.tell("room", room=room_facts(room))
        self._events.tell("message", room=room.id, message=drawn)

    async def withdraw(self, message: RoomMessage) -> None:
        """Take back what was said, because it could not be passed on. No page knows of it."""
        await self._rooms.withdraw(message, with_room=True)

    async def messages(self, room: str, limit: int, before: str) -> list[dict[str, Any]]:
        """The newest messages of a room as the page shows them, oldest first."""
        return await self._seen(await self._rooms.messages(room, limit, before=before))

    async def said_in(self, room: str, message_id: str) -> RoomMessage | None:
        """A message of this room, as far as it has come; None when it is not there."""
        growing = self._growing.get(message_id)
        message = growing.message if growing else await self._rooms.message(message_id)
        return message if message is not None and message.room == room else None

    async def attached(self, message: RoomMessage) -> list[FileFacts]:
        """The files of a message."""
        facts = await self._rooms.file_facts(message.files)
        return [facts[file] for file in message.files if file in facts]

    async def rooms(self) -> list[dict[str, Any]]:
        """Every room, the one used last first."""
        return [room_facts(room) for room in await self._rooms.all()]

    async def room(self, room_id: str) -> Room | None:
        """One room."""
        return await self._rooms.room(room_id)

    async def rename(self, room_id: str, title: str) -> bool:
        """Give a room another title; False when there is no such room."""
        renamed = await self._rooms.rename(room_id, title)
        room = await self._rooms.room(room_id)
        if room is not None:
            self._events.tell("room", room=room_facts(room))
        return renamed

    async def message_ids(self, room_id: str) -> list[str]:
        """The ids of everything said in a room."""
        return await self._rooms.message_ids(room_id)

    async def remove(self, room_id: str) -> None:
        """Delete a room and all that is in it."""
        for message_id in await self._rooms.remove(room_id):
            self._growing.pop(message_id, None)
        self._events.tell("removed", room=room_id)

    async def _seen(self, messages: Sequence[RoomMessage]) -> list[dict[str, Any]]:
        current = [self._growing[each.id].message if each.id in self._growing else each for each in messages]
        replied_to = await self._rooms.several([each.replies for each in current if each.replies])
        ids = [file for each in (*current, *replied_to.values()) for file in each.files]
        known = await self._rooms.file_facts(ids)
        return [await self._drawn_message(each, known, replied_to.get(each.replies)) for each in current]

    async def _drawn_message(
        self, message: RoomMessage, known: dict[str, FileFacts], replied_to: RoomMessage | None
    ) -> dict[str, Any]:
        growing = self._growing.get(message.id)
        drawn = message_facts(message, known, replied_to)
        if growing is not None:
            # What the open pages have is left alone: the next change is told as the difference to that.
            _, shown = await _grown(growing.shown, message.text)
            drawn["blocks"] = shown.blocks
            drawn["status"] = growing.status
            drawn["files"] = [file_facts(stored_facts(file)) for file in growing.files]
        elif message.role == "assistant":
            drawn["blocks"] = await _drawn(message.text)
        return drawn


async def _grown(before: Rendered, text: str) -> tuple[int, Rendered]:
    if len(text) - before.offset > _LONG:
        return await asyncio.to_thread(grow, before, text)
    return grow(before, text)


async def _drawn(text: str) -> tuple[str, ...]:
    return await asyncio.to_thread(render, text) if len(text) > _LONG else render(text)


def _said(message: RoomMessage, reply: Reply, files: Sequence[File]) -> RoomMessage:
    """The message as it says what the reply says. Only what is finished has files and buttons that stay."""
    return replace(
        message,
        text="" if reply.status else reply.text,
        footer=reply.footer,
        running=reply.running,
        files=() if reply.running else tuple(file.id for file in files),
        buttons=() if reply.running else button_facts(reply.buttons),
    )


def _status(reply: Reply) -> str:
    return reply.text if reply.status else ""


def _files(message_id: str, attachments: Iterable[Attachment]) -> list[File]:
    """The files of an answer, under ids that stay the same however often it is posted."""
    files = []
    for number, each in enumerate(attachments):
        digest = hashlib.sha256(f"{message_id} {number} ".encode() + each.data).hexdigest()[:32]
        name = clean_name(each.name) or f"file.{extension(each.media_type)}"
        files.append(File(f"web-{digest}", name, each.media_type, each.data, each.alt))
    return files
