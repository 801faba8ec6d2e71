"""What the page asks of the server: itself, its rooms and messages, files, and the stream of what happens."""

import asyncio
import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import orjson
import structlog
from aiohttp import WSCloseCode, web

from bot.adapter import Host
from bot.adapters.web.access import Access, Refused
from bot.adapters.web.assets import Assets
from bot.adapters.web.events import Events, Listener
from bot.adapters.web.transcript import Transcript, room_facts
from bot.adapters.web.uploads import FILE_BYTES, FILES, TEXT, disposition, read_form, read_json
from bot.errors import UserError
from bot.markup import clean_name
from bot.messages import Attachment, Channel, Message, Person
from bot.version import __version__
from storage import File, RoomMessage, Store

__all__ = ["OWNER", "Api"]

log = structlog.get_logger(__name__)

OWNER = Person(id="owner", name="You", moderator=True, operator=True)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_ANY_ID = re.compile(r"[0-9a-z-]{1,64}")
_FILE_ID = re.compile(r"web-[0-9a-f]{32}")  # other files in storage are not the page's to show
_TITLE = 48  # characters
_AT_ONCE = 60  # messages shown when a room is opened, and for each look further back
_BEAT_SECONDS = 15  # between signs of life to a page, which takes a long silence for a lost connection
_UPLOADS = 4  # read at the same time


class Api:
    """The routes of the page. `host` is the bot, while it is there."""

    def __init__(
        self,
        store: Store,
        transcript: Transcript,
        events: Events,
        access: Access,
        status: Callable[[], Callable[[], dict[str, Any]] | None],
    ) -> None:
        self.host: Host | None = None
        self._store = store
        self._transcript = transcript
        self._events = events
        self._access = access
        self._status = status
        self._assets = Assets()
        self._uploads = asyncio.Semaphore(_UPLOADS)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Every route, each behind the guard."""
        room = "/api/rooms/{room}"
        table: list[tuple[str, str, Callable[[web.Request], Any]]] = [
            ("GET", "/", self._page),
            ("GET", "/assets/{name}", self._asset),
            ("GET", "/api/status", self._tell_status),
            ("GET", "/api/events", self._stream),
            ("GET", "/api/rooms", self._rooms),
            ("PATCH", room, self._rename),
            ("DELETE", room, self._remove),
            ("GET", f"{room}/messages", self._messages),
            ("POST", f"{room}/messages", self._say),
            ("POST", f"{room}/stop", self._stop),
            ("GET", "/api/files/{file}", self._file),
        ]
        return [web.route(method, path, self._access.guard(handler)) for method, path, handler in table]

    async def _page(self, request: web.Request) -> web.StreamResponse:
        response = self._assets.page(request)
        self._access.remember(request, response)
        return response

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        response = self._assets.find(request, request.match_info["name"])
        if response is None:
            raise Refused(404, "There is no such file.")
        return response

    async def _tell_status(self, request: web.Request) -> web.StreamResponse:
        status = self._status()
        bare: dict[str, Any] = {"version": __version__, "model": "", "practice": False, "skills": [], "platforms": []}
        limits = {"files": FILES, "file_bytes": FILE_BYTES, "characters": TEXT}
        return _json({**bare, **(status() if status else {}), "limits": limits})

    async def _rooms(self, request: web.Request) -> web.StreamResponse:
        number = self._events.number
        return _json({"life": self._events.life, "number": number, "rooms": await self._transcript.rooms()})

    async def _rename(self, request: web.Request) -> web.StreamResponse:
        asked = await read_json(request)
        title = clean_name(str(asked.get("title", "")))
        if not title:
            raise Refused(400, "A conversation needs a name.")
        if not await self._transcript.rename(_room_id(request), title):
            raise Refused(404, "This conversation was deleted.")
        return _json({"title": title})

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        room = _room_id(request)
        host = self._there()
        ids = await self._transcript.message_ids(room)
        # What was said is forgotten before it disappears from the page: the other way round, a fault in between would
        # leave a conversation that nobody can see or delete any more.
        await host.deleted(_channel(room), ids)
        await self._transcript.remove(room)
        return _json({})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        room = _room_id(request)
        before = request.query.get("before", "")
        if before and not _ANY_ID.fullmatch(before):
            raise Refused(400, "There is no such message.")
        number = self._events.number
        found = await self._transcript.room(room)
        if found is None:
            raise Refused(404, "This conversation was deleted.")
        messages = await self._transcript.messages(room, _AT_ONCE + 1, before)
        more = len(messages) > _AT_ONCE
        place = {"life": self._events.life, "number": number}
        return _json({**place, "room": room_facts(found), "messages": messages[1:] if more else messages, "more": more})

    async def _say(self, request: web.Request) -> web.StreamResponse:
        room = _room_id(request)
        host = self._there()
        async with self._uploads:
            form = await read_form(request)
        message_id = form.fields.get("id", "")
        text = form.fields.get("text", "").strip()
        if not _ID.fullmatch(message_id):
            raise Refused(400, "The message has no proper id. Load the page again.")
        if len(text) > TEXT:
            raise Refused(413, f"A message may have {TEXT:,} characters. Attach the rest as a file.")
        if not text and not form.files:
            raise Refused(400, "There is nothing in this message.")
        said = RoomMessage(
            message_id,
            room,
            "user",
            text,
            datetime.now(UTC),
            author=OWNER.name,
            files=tuple(file.id for file in form.files),
        )
        title = _title(text, form.files) if form.fields.get("new") else ""
        kept = await self._transcript.say(said, form.files, title=title)
        if kept is None:
            raise Refused(404, "This conversation was deleted. Begin a new one to send this message.")
        if kept.room != room or kept.role != "user":
            raise Refused(409, "The message has the id of another one. Load the page again.")
        return _json({"message": await self._pass_on(host, kept)}, status=202)

    async def _pass_on(self, host: Host, message: RoomMessage) -> dict[str, Any]:
        """Let the bot hear it, and then the pages. What the bot does not take is not left standing as if it had."""
        drawn = await self._transcript.drawn(message)
        room = await self._transcript.room(message.room)
        if room is None:
            raise Refused(404, "This conversation was deleted. Begin a new one to send this message.")
        attachments = [
            Attachment(each.name, each.media_type, size=each.size, source=each.id)
            for each in await self._transcript.attached(message)
        ]
        channel = _channel(message.room, room.title)
        try:
            await host.heard(Message(message.id, channel, OWNER, message.text, message.at, tuple(attachments)))
        except UserError as error:
            await self._transcript.withdraw(message)
            raise Refused(503, str(error)) from None
        except Exception:
            reference = secrets.token_hex(3)
            log.exception("a message was not taken", reference=reference)
            await self._transcript.withdraw(message)
            raise Refused(503, f"Something went wrong on my side (reference {reference}). Try again.") from None
        self._transcript.tell(room, drawn)  # without waiting for anything: an answer comes after its question
        return drawn

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        asked = await read_json(request)
        message_id = str(asked.get("message", ""))
        if not _ANY_ID.fullmatch(message_id):
            raise Refused(400, "There is no such message.")
        stopped = await self._there().stop(_channel(_room_id(request)), message_id, OWNER)
        return _json({"stopped": stopped})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file_id = request.match_info["file"]
        file = await self._store.file(file_id) if _FILE_ID.fullmatch(file_id) else None
        if file is None:
            raise Refused(404, "This file is not there any more.")
        return _file_response(request, file)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._events.full:
            raise Refused(503, "Too many pages are open. Close some of them.")
        socket = web.WebSocketResponse(heartbeat=30, compress=False, max_msg_size=1024)
        if not socket.can_prepare(request).ok:
            raise Refused(426, "This is the page's stream of events, a WebSocket.")
        await socket.prepare(request)
        listener = self._events.listen(request.query.get("after", ""))
        sending = asyncio.create_task(_send(socket, listener), name="events to a page")
        try:
            async for _ in socket:
                pass  # a page has nothing to say here; this notices when it goes
        finally:
            self._events.leave(listener)
            sending.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await sending
        return socket

    def _there(self) -> Host:
        if self.host is None:
            raise Refused(503, "Parley is just starting or stopping. Try again in a moment.")
        return self.host


async def _send(socket: web.WebSocketResponse, listener: Listener) -> None:
    while True:
        try:
            written = await asyncio.wait_for(listener.queue.get(), _BEAT_SECONDS)
        except TimeoutError:
            written = '{"kind":"beat"}'
        if written is None:
            await socket.close(code=WSCloseCode.GOING_AWAY)
            return
        try:
            await socket.send_str(written)
        except ConnectionError:
            return  # the page has gone; reading notices it as well


def _json(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content), status=status, content_type="application/json")


def _room_id(request: web.Request) -> str:
    room = request.match_info["room"]
    if not _ID.fullmatch(room):
        raise Refused(404, "There is no such conversation.")
    return room


def _channel(room: str, title: str = "") -> Channel:
    return Channel("web", room, kind="direct", name=title)


def _title(text: str, files: list[File]) -> str:
    """What a conversation is called after its first message: its first line, cut at a word."""
    line = " ".join(next((line for line in text.splitlines() if line.strip(" #>*_`-")), "").split()).strip(" #>*_`")
    if not line:
        kind = files[0].media_type.partition("/")[0] if files else ""
        return {"image": "A picture", "audio": "A voice note"}.get(
            kind, files[0].name[:_TITLE] if files else "Untitled"
        )
    if len(line) <= _TITLE:
        return line
    cut = line[: _TITLE + 1].rpartition(" ")[0]
    return (cut if len(cut) > _TITLE // 2 else line[:_TITLE]).rstrip(" ,.;:–-") + "…"


def _file_response(request: web.Request, file: File) -> web.Response:
    """A file, whole or the part that was asked for; only real pictures and sounds are to be shown."""
    media_type, shown = disposition(file)
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename*=UTF-8''{quote(file.name, safe='')}",
        "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self'; sandbox",
        "Cache-Control": "private, max-age=3600",
        "Accept-Ranges": "bytes",
    }
    size = len(file.data)
    try:
        wanted = request.http_range
    except ValueError:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop, _ = wanted.indices(size)
    if wanted.start is None and wanted.stop is None:
        return web.Response(body=file.data, headers=headers)
    if start >= stop:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return web.Response(status=206, body=file.data[start:stop], headers=headers)
