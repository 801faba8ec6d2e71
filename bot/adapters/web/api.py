"""What the page asks of the server: itself, its rooms and messages, files, and the stream of what happens."""

import asyncio
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from aiohttp import WSCloseCode, web

from bot.adapter import Host
from bot.adapters.web.access import Access, Refused
from bot.adapters.web.assets import Assets
from bot.adapters.web.events import Events, Listener
from bot.adapters.web.facts import room_facts
from bot.adapters.web.places import OWNER, channel_of, is_message_id, is_new_id, json_answer, refusing, room_id
from bot.adapters.web.saying import Saying
from bot.adapters.web.settings import SettingsRoutes
from bot.adapters.web.transcript import Transcript
from bot.adapters.web.uploads import FILE_BYTES, FILES, TEXT, disposition, read_json
from bot.commands import Command
from bot.markup import clean_name
from bot.messages import Press
from bot.version import __version__
from storage import File, Store

__all__ = ["Api"]

_FILE_ID = re.compile(r"web-[0-9a-f]{32}")  # other files in storage are not the page's to show
_AT_ONCE = 60  # messages shown when a room is opened, and for each look further back
_BEAT_SECONDS = 15  # between signs of life to a page, which takes a long silence for a lost connection
_VERDICTS = ("good", "bad")  # of which one stays pressed
_REASON = 2000  # characters for why an answer was bad


class Api:
    """The routes of the page. `host` is the bot, while it is there."""

    def __init__(
        self,
        store: Store,
        transcript: Transcript,
        events: Events,
        access: Access,
        status: Callable[[], Callable[[], dict[str, Any]] | None],
        commands: Callable[[], Sequence[Command]],
    ) -> None:
        self.host: Host | None = None
        self._store = store
        self._transcript = transcript
        self._events = events
        self._access = access
        self._status = status
        self._assets = Assets()
        self._saying = Saying(transcript, self._there, commands)
        self._settings = SettingsRoutes(self._there, commands)

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
            ("POST", f"{room}/messages", self._saying.say),
            ("POST", f"{room}/stop", self._stop),
            ("POST", f"{room}/press", self._press),
            ("GET", "/api/commands", self._settings.commands),
            ("GET", "/api/communities", self._settings.communities),
            ("GET", "/api/settings", self._settings.settings),
            ("PUT", "/api/settings", self._settings.choose),
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
        return json_answer({**bare, **(status() if status else {}), "limits": limits})

    async def _rooms(self, request: web.Request) -> web.StreamResponse:
        number = self._events.number
        return json_answer({"life": self._events.life, "number": number, "rooms": await self._transcript.rooms()})

    async def _rename(self, request: web.Request) -> web.StreamResponse:
        asked = await read_json(request)
        title = clean_name(str(asked.get("title", "")))
        if not title:
            raise Refused(400, "A conversation needs a name.")
        if not await self._transcript.rename(room_id(request), title):
            raise Refused(404, "This conversation was deleted.")
        return json_answer({"title": title})

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        room = room_id(request)
        host = self._there()
        ids = await self._transcript.message_ids(room)
        # What was said is forgotten before it disappears from the page: the other way round, a fault in between would
        # leave a conversation that nobody can see or delete any more.
        await host.deleted(channel_of(room), ids)
        await self._transcript.remove(room)
        return json_answer({})

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        room = room_id(request)
        before = request.query.get("before", "")
        if before and not is_message_id(before):
            raise Refused(400, "There is no such message.")
        number = self._events.number
        found = await self._transcript.room(room)
        if found is None:
            raise Refused(404, "This conversation was deleted.")
        messages = await self._transcript.messages(room, _AT_ONCE + 1, before)
        more = len(messages) > _AT_ONCE
        place = {"life": self._events.life, "number": number}
        shown = messages[1:] if more else messages
        return json_answer({**place, "room": room_facts(found), "messages": shown, "more": more})

    async def _press(self, request: web.Request) -> web.StreamResponse:
        """Press a button below an answer; what is said to that is for whoever pressed it only."""
        asked = await read_json(request)
        room = room_id(request)
        press_id, message_id, action = (str(asked.get(name, "")) for name in ("id", "message", "action"))
        if not is_new_id(press_id) or not is_message_id(message_id):
            raise Refused(400, "There is no such button. Load the page again.")
        message = await self._transcript.said_in(room, message_id)
        if message is None:
            raise Refused(404, "This answer is not there any more.")
        if action not in {each["action"] for each in message.buttons}:
            raise Refused(409, "This answer has changed, and has no such button any more.")
        words = str(asked.get("words", ""))[:_REASON]
        press = Press(press_id, channel_of(room), OWNER, message_id, action, datetime.now(UTC), words)
        with refusing("press a button"):
            said = await self._there().pressed(press)
        if action in _VERDICTS:
            await self._transcript.press(message_id, action, _VERDICTS)
        return json_answer({"said": said})

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        asked = await read_json(request)
        message_id = str(asked.get("message", ""))
        if not is_message_id(message_id):
            raise Refused(400, "There is no such message.")
        stopped = await self._there().stop(channel_of(room_id(request)), message_id, OWNER)
        return json_answer({"stopped": stopped})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        file_id = request.match_info["file"]
        known = _FILE_ID.fullmatch(file_id) is not None
        file = self._transcript.preview(file_id) or await self._store.file(file_id) if known else None
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
