"""What a person says on the page: words, files, a reply, a command. It is kept first, then heard, then shown."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from aiohttp import web

from bot.adapter import Host
from bot.adapters.web.access import Refused
from bot.adapters.web.forms import known_fields, spoken
from bot.adapters.web.places import OWNER, channel_of, is_message_id, is_new_id, json_answer, refusing, room_id
from bot.adapters.web.transcript import Transcript
from bot.adapters.web.uploads import TEXT, Form, read_form
from bot.commands import Command
from bot.messages import Attachment, Message, Person, Quote
from storage import File, RoomMessage

__all__ = ["Saying"]

BOT = Person(id="parley", name="Parley", bot=True)
_TITLE = 48  # characters
_UPLOADS = 4  # read at the same time
_EARLIER = 4  # messages that a reply is shown with, each the one that the next replied to


class Saying:
    """The way of a message from the page to the bot. `there` is the bot, or refuses; `commands` is what it can do."""

    def __init__(
        self, transcript: Transcript, there: Callable[[], Host], commands: Callable[[], Sequence[Command]]
    ) -> None:
        self._transcript = transcript
        self._there = there
        self._commands = commands
        self._uploads = asyncio.Semaphore(_UPLOADS)

    async def say(self, request: web.Request) -> web.StreamResponse:
        """Take a message. Raises `Refused` for what cannot be one."""
        room = room_id(request)
        host = self._there()
        async with self._uploads:
            form = await read_form(request)
        message_id = form.fields.get("id", "")
        text = form.fields.get("text", "").strip()
        if not is_new_id(message_id):
            raise Refused(400, "The message has no proper id. Load the page again.")
        if len(text) > TEXT:
            raise Refused(413, f"A message may have {TEXT:,} characters. Attach the rest as a file.")
        called = f"{form.fields.get('skill', '')} {text}"
        skill, asked, text = self._command(form, text)
        if not text and not form.files:
            raise Refused(400, "There is nothing in this message.")
        quote = await self._quote(room, form.fields.get("reply", ""))
        said = RoomMessage(
            message_id,
            room,
            "user",
            text,
            datetime.now(UTC),
            author=OWNER.name,
            files=tuple(file.id for file in form.files),
            replies=quote.id if quote else "",
        )
        title = _title(called, form.files) if form.fields.get("new") else ""
        kept = await self._transcript.say(said, form.files, title=title)
        if kept is None:
            raise Refused(404, "This conversation was deleted. Begin a new one to send this message.")
        if kept.room != room or kept.role != "user":
            raise Refused(409, "The message has the id of another one. Load the page again.")
        return json_answer({"message": await self._pass_on(host, kept, quote, skill, asked)}, status=202)

    def _command(self, form: Form, text: str) -> tuple[str, dict[str, Any], str]:
        """The skill that is called, what it is asked, and how that reads; nothing but the text without one."""
        name = form.fields.get("skill", "")
        if not name:
            return "", {}, text
        command = next((each for each in self._commands() if each.name == name), None)
        if command is None:
            raise Refused(400, f"There is no command “{name}” any more. Load the page again.")
        try:
            given = orjson.loads(form.fields.get("request") or b"{}")
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict):
            raise Refused(400, "The command could not be read. Load the page again.")
        asked = {each.name: each.default for each in command.request.fields if each.default is not None}
        asked |= known_fields(command.request, given)
        words = command.request.words
        if words is not None:
            asked[words.name] = text
        return name, asked, spoken(command, asked)

    async def _quote(self, room: str, message_id: str) -> Quote | None:
        """The message that is replied to, with those that it replied to in turn."""
        if not message_id:
            return None
        found: list[RoomMessage] = []
        while is_message_id(message_id) and len(found) <= _EARLIER:
            message = await self._transcript.said_in(room, message_id)
            if message is None or message in found:
                break
            found.append(message)
            message_id = message.replies or message.answers
        if not found:
            raise Refused(404, "The message you reply to is not there any more. Send yours without replying.")
        newest, *earlier = [await self._quoted(message) for message in found]
        return Quote(newest.id, newest.author, newest.text, newest.attachments, earlier=tuple(earlier[::-1]))

    async def _quoted(self, message: RoomMessage) -> Quote:
        author = OWNER if message.role == "user" else BOT
        return Quote(message.id, author, message.text, tuple(await self._attached(message)))

    async def _attached(self, message: RoomMessage) -> list[Attachment]:
        return [
            Attachment(each.name, each.media_type, size=each.size, source=each.id, alt=each.alt)
            for each in await self._transcript.attached(message)
        ]

    async def _pass_on(
        self, host: Host, message: RoomMessage, quote: Quote | None, skill: str, asked: dict[str, Any]
    ) -> dict[str, Any]:
        """Let the bot hear it, and then the pages. What the bot does not take is not left standing as if it had."""
        drawn = await self._transcript.drawn(message)
        room = await self._transcript.room(message.room)
        if room is None:
            raise Refused(404, "This conversation was deleted. Begin a new one to send this message.")
        attachments = tuple(await self._attached(message))
        channel = channel_of(message.room, room.title)
        try:
            with refusing("hear a message"):
                await host.heard(
                    Message(message.id, channel, OWNER, message.text, message.at, attachments, quote, skill, asked)
                )
        except Refused:
            await self._transcript.withdraw(message)
            raise
        self._transcript.tell(room, drawn)  # without waiting for anything: an answer comes after its question
        return drawn


def _title(text: str, files: list[File]) -> str:
    """What a conversation is called after its first message: its first line, cut at a word."""
    line = " ".join(next((line for line in text.splitlines() if line.strip(" #>*_`-/")), "").split()).strip(" #>*_`/")
    if not line:
        kind = files[0].media_type.partition("/")[0] if files else ""
        return {"image": "A picture", "audio": "A voice note"}.get(
            kind, files[0].name[:_TITLE] if files else "Untitled"
        )
    if len(line) <= _TITLE:
        return line
    cut = line[: _TITLE + 1].rpartition(" ")[0]
    return (cut if len(cut) > _TITLE // 2 else line[:_TITLE]).rstrip(" ,.;:–-") + "…"
