"""The websocket: hello, identify, heartbeats, events, resuming, and the ways in which it can end."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Protocol

from aiohttp import WSMsgType, web

from tests.fakes.discord.world import Guild, Json, snowflake

if TYPE_CHECKING:
    from tests.fakes.discord.stage import Stage


class Intent(IntFlag):
    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


NO_INTENT = Intent(0)
EVERY_INTENT = Intent((1 << 26) - 1)  # for events that come to whoever is connected
PRIVILEGED = Intent.GUILD_MEMBERS | Intent.GUILD_PRESENCES | Intent.MESSAGE_CONTENT
_KNOWN_BITS = (1 << 17) - 1 | 0b11 << 20 | 0b11 << 24


class _Packer(Protocol):
    def __call__(self, text: str) -> bytes | str: ...


def _plain(text: str) -> str:
    return text


def _zlib_stream() -> _Packer:
    stream = zlib.compressobj()

    def pack(text: str) -> bytes:
        return stream.compress(text.encode()) + stream.flush(zlib.Z_SYNC_FLUSH)

    return pack


_PACKERS: dict[str, Callable[[], _Packer]] = {"": lambda: _plain, "zlib-stream": _zlib_stream}


class Line:
    """One open websocket."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, pack: _Packer) -> None:
        self._request = request
        self._pack = pack
        self.socket = socket

    async def send(self, op: int, data: Any = None, *, sequence: int | None = None, event: str | None = None) -> None:
        await self.send_raw(json.dumps({"op": op, "d": data, "s": sequence, "t": event}))

    async def send_raw(self, text: str) -> None:
        packed = self._pack(text)
        try:
            if isinstance(packed, str):
                await self.socket.send_str(packed)
            else:
                await self.socket.send_bytes(packed)
        except ConnectionError:
            return  # the other end has just gone; whoever resumes is given it again

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()


@dataclass(eq=False)
class Session:
    shard: tuple[int, int]
    intents: Intent
    id: str = field(default_factory=lambda: f"session{snowflake()}")
    sequence: int = 0
    log: list[tuple[int, str, Json]] = field(default_factory=list)
    line: Line | None = None

    async def dispatch(self, event: str, data: Json) -> None:
        self.sequence += 1
        self.log.append((self.sequence, event, data))
        if self.line:
            await self.line.send(0, data, sequence=self.sequence, event=event)

    def concerns(self, guild: Guild | None) -> bool:
        number, count = self.shard
        return (int(guild.id) >> 22) % count == number if guild else number == 0


class Gateway:
    """All sessions. `identifies` and `resumes` keep what clients sent; `refusing` turns new connections away."""

    def __init__(self, discord: Stage) -> None:
        self._discord = discord
        self.sessions: dict[str, Session] = {}
        self.lines: set[Line] = set()
        self.identifies: list[Json] = []
        self.resumes: list[Json] = []
        self.heartbeats = 0
        self.acknowledging = True
        self.refusing = False
        self.handshakes = 0

    async def publish(
        self, event: str, intent: Intent, guild: Guild | None, shape: Callable[[Session], Json | None]
    ) -> None:
        """Give the event to each session that asked for it; `shape` makes what that session may see."""
        for session in list(self.sessions.values()):
            if session.intents & intent and session.concerns(guild):
                data = shape(session)
                if data is not None:
                    await session.dispatch(event, data)
        self._discord.tell()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.handshakes += 1
        self._discord.tell()
        query = request.query
        if self.refusing or query.get("encoding") != "json" or query.get("compress", "") not in _PACKERS:
            return web.Response(status=503 if self.refusing else 400)
        socket = web.WebSocketResponse(max_msg_size=1 << 20)
        await socket.prepare(request)
        line = Line(request, socket, _PACKERS[query.get("compress", "")]())
        self.lines.add(line)
        session: Session | None = None
        try:
            if query.get("v") != "10":
                await socket.close(code=4012, message=b"Invalid API version.")
                return socket
            await line.send(10, {"heartbeat_interval": int(self._discord.heartbeat_interval * 1000), "_trace": []})
            async for frame in socket:
                code, session = await self._receive(line, session, frame.type, frame.data)
                self._discord.tell()
                if code:
                    await socket.close(code=code)
                    break
        finally:
            self.lines.discard(line)
            if session and session.line is line:
                session.line = None
                if socket.close_code in (1000, 1001):
                    self.sessions.pop(session.id, None)  # a goodbye ends the session, a lost line does not
            self._discord.tell()
        return socket

    async def _receive(
        self, line: Line, session: Session | None, kind: WSMsgType, text: Any
    ) -> tuple[int, Session | None]:
        """Take one frame; a close code other than 0 says what was wrong with it."""
        if kind is not WSMsgType.TEXT or len(text) > 4096:
            return 4002, session
        try:
            frame = json.loads(text)
            op, data = frame["op"], frame["d"]
        except (ValueError, KeyError, TypeError):
            return 4002, session
        if op == 1:
            self.heartbeats += 1
            if self.acknowledging:
                await line.send(11)
            return 0, session
        if op == 2:
            return await self._identify(line, session, data)
        if op == 6:
            return await self._resume(line, session, data)
        if op not in (3, 4, 8):
            return 4001, session
        return (0 if session else 4003), session

    async def _identify(self, line: Line, session: Session | None, data: Json) -> tuple[int, Session | None]:
        if session:
            return 4005, session
        if not {"token", "intents", "properties"} <= data.keys() or not isinstance(data["intents"], int):
            return 4002, None
        self.identifies.append(data)
        if data["token"] != self._discord.token:
            return 4004, None
        intents = Intent(data["intents"] & _KNOWN_BITS)
        if data["intents"] & ~_KNOWN_BITS:
            return 4013, None
        if intents & PRIVILEGED & ~self._discord.granted_intents:
            return 4014, None
        number, count = data.get("shard", (0, 1))
        if not 0 <= number < count:
            return 4010, None
        session = Session((number, count), intents, line=line)
        self.sessions[session.id] = session
        await session.dispatch("READY", self._discord.ready_payload(session))
        for guild in self._discord.guilds.values():
            if session.intents & Intent.GUILDS and session.concerns(guild):
                await session.dispatch("GUILD_CREATE", self._discord.guild_payload(guild))
        return 0, session

    async def _resume(self, line: Line, session: Session | None, data: Json) -> tuple[int, Session | None]:
        if session:
            return 4005, session
        self.resumes.append(data)
        if data.get("token") != self._discord.token:
            return 4004, None
        found = self.sessions.get(str(data.get("session_id")))
        if found is None or not isinstance(data.get("seq"), int):
            await line.send(9, False)
            return 0, None
        if data["seq"] > found.sequence:
            return 4007, None
        position = 0
        while position < len(found.log):  # more may be said while the missed events are on their way
            sequence, event, missed = found.log[position]
            position += 1
            if sequence > data["seq"]:
                await line.send(0, missed, sequence=sequence, event=event)
        found.line = line
        await found.dispatch("RESUMED", {"_trace": []})
        return 0, found

    # What a test can do to it

    async def ask_to_reconnect(self) -> None:
        """Op 7."""
        for line in list(self.lines):
            await line.send(7)

    async def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9."""
        if not resumable:
            self.sessions.clear()
        for line in list(self.lines):
            await line.send(9, resumable)

    async def hang_up(self, code: int | None = None) -> None:
        """Close every line with this code; without one, cut it like a broken network does."""
        for line in list(self.lines):
            if code is None:
                line.abort()
            else:
                await line.socket.close(code=code)

    async def close(self) -> None:
        self.refusing = True
        await asyncio.gather(*(line.socket.close(code=1001) for line in list(self.lines)))
