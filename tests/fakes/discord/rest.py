"""The REST interface and the CDN: who may call, how often, and what each call does."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord import errors
from tests.fakes.discord.checks import Upload
from tests.fakes.discord.errors import ApiError
from tests.fakes.discord.faults import Fault
from tests.fakes.discord.world import Json

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

PREFIX = "/api/v10"


@dataclass(eq=False)
class Call:
    """One recorded REST call; `path` is written as in Discord's documentation, without the version."""

    method: str
    path: str
    query: dict[str, str]
    json: Any = None
    files: list[Upload] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 0
    at: float = field(default_factory=time.monotonic)

    def line(self) -> str:
        """As a line of JSON, without the bytes of files."""
        files = [{"field": f, "filename": n, "content_type": c, "size": len(d)} for f, n, c, d in self.files]
        return json.dumps(
            {
                "method": self.method,
                "path": self.path,
                "query": self.query,
                "json": self.json,
                "files": files,
                "status": self.status,
            }
        )


Answer = tuple[int, Any]
Handler = Callable[[Call, "re.Match[str]"], Awaitable[Answer]]


class Router:
    """Pairs of method and path template, each with the bucket it counts in."""

    def __init__(self) -> None:
        self._entries: list[tuple[str, re.Pattern[str], str, Handler]] = []

    def add(self, method: str, template: str, handler: Handler, bucket: str = "") -> None:
        pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
        self._entries.append((method, pattern, bucket or f"{method} {template}", handler))

    def find(self, method: str, path: str) -> tuple[str, Handler, re.Match[str]]:
        for its_method, pattern, bucket, handler in self._entries:
            if its_method == method and (match := pattern.fullmatch(path)):
                return bucket, handler, match
        raise errors.not_found()


class Front:
    """The door every HTTP request comes through."""

    def __init__(self, discord: FakeDiscord, router: Router) -> None:
        self._discord = discord
        self._router = router

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(("/attachments/", "/ephemeral-attachments/")):
            return await self._download(request)
        if not request.path.startswith(f"{PREFIX}/"):
            return web.json_response({"message": "404: Not Found", "code": 0}, status=404)
        path = request.raw_path.partition("?")[0].removeprefix(PREFIX)
        call = Call(request.method, path, dict(request.query), headers=dict(request.headers))
        try:
            await _read_body(request, call)
        except ApiError as problem:
            return self._finish(call, problem.status, problem.body, {})
        self._discord.calls.append(call)
        self._discord.tell()

        fault = self._discord.faults.take(call.method, call.path)
        if fault and not fault.after:
            answer = await self._suffer(fault, request, call)
            if answer is not None:
                return answer
        headers: dict[str, str] = {}
        try:
            status, body = await self._answer(call, headers)
        except ApiError as problem:
            status, body = problem.status, problem.body
        if fault and fault.after:
            answer = await self._suffer(fault, request, call)
            if answer is not None:
                return answer
        return self._finish(call, status, body, headers)

    async def _answer(self, call: Call, headers: dict[str, str]) -> Answer:
        if not call.path.startswith(("/interactions/", "/webhooks/")):  # those carry their own token in the path
            if call.headers.get("Authorization") != f"Bot {self._discord.token}":
                raise errors.unauthorized()
            if not call.headers.get("User-Agent", "").startswith("DiscordBot ("):
                raise ApiError(403, 40333, "internal network error")
        bucket, handler, match = self._router.find(call.method, call.path)
        place = next(iter(match.groups()), "")
        verdict = self._discord.limits.pass_through(bucket, place)
        headers |= verdict.headers
        if verdict.retry_after:
            headers |= {
                "Retry-After": str(int(verdict.retry_after) + 1),
                "X-RateLimit-Scope": "global" if verdict.everywhere else "user",
            }
            raise ApiError(
                429,
                0,
                "You are being rate limited.",
                retry_after=round(verdict.retry_after, 3),
                **{"global": verdict.everywhere},
            )
        return await handler(call, match)

    def _finish(self, call: Call, status: int, body: Any, headers: dict[str, str]) -> web.Response:
        call.status = status
        self._discord.tell()
        headers = {"Via": "1.1 loopback"} | headers
        if status == 204:
            return web.Response(status=204, headers=headers)
        # aiohttp would add a charset to anything but this; discord.py parses a body only without one
        return web.Response(
            status=status, body=json.dumps(body).encode(), content_type="application/json", headers=headers
        )

    async def _suffer(self, fault: Fault, request: web.Request, call: Call | None) -> web.Response | None:
        """Let the accident happen; None where the call goes on afterwards."""
        if fault.held:
            await fault.held.wait()
        if fault.drop:
            _cut(request, reset=fault.reset)
            return web.Response(status=500)
        if fault.status is None:
            return None
        if call:
            call.status = fault.status
        headers = {"Via": "1.1 loopback"} | fault.headers
        headers = {key: value for key, value in headers.items() if value}
        if isinstance(fault.body, bytes | str):
            return web.Response(status=fault.status, body=fault.body, headers=headers)
        body = {"message": "An accident on order", "code": 0} if fault.body is None else fault.body
        headers.setdefault("Content-Type", "application/json")
        return web.Response(status=fault.status, body=json.dumps(body).encode(), headers=headers)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        self._discord.downloads.append((request.path, dict(request.headers)))
        self._discord.tell()
        fault = self._discord.faults.take(request.method, request.path)
        if fault and (accident := await self._suffer(fault, request, None)) is not None:
            return accident
        query = request.query
        file = self._discord.file_at(request.path)
        until = query.get("ex", "0")
        signed = query.get("hm") == self._discord.links.sign(request.path, until)
        if file is None or not signed or int(until, 16) < time.time():
            return web.Response(status=404, text="This content is no longer available.")
        if self._discord.telling_lengths:
            return web.Response(body=file.data, headers={"Content-Type": file.content_type})
        answer = web.StreamResponse(headers={"Content-Type": file.content_type})
        await answer.prepare(request)
        try:
            for start in range(0, len(file.data), 16384):
                await answer.write(file.data[start : start + 16384])
        except ConnectionError:
            return answer  # the reader had enough
        await answer.write_eof()
        return answer


async def _read_body(request: web.Request, call: Call) -> None:
    kind = request.headers.get("Content-Type", "")
    if kind.startswith("multipart/form-data"):
        reader = await request.multipart()
        async for part in reader:
            assert isinstance(part, BodyPartReader)
            name, content = part.name or "", await part.read()
            if name == "payload_json":
                call.json = _parsed(bytes(content))
            elif re.fullmatch(r"files\[\d+\]", name):
                content_type = part.headers.get("Content-Type", "application/octet-stream")
                call.files.append((name, part.filename or "", content_type, bytes(content)))
            else:
                raise errors.invalid_form({name: ("UNKNOWN_FIELD", "This field is not known here")})
        return
    content = await request.read()
    if not content:
        return
    if kind != "application/json":
        raise errors.not_json()
    call.json = _parsed(content)


def _parsed(content: bytes) -> Json:
    try:
        parsed = json.loads(content)
    except ValueError:
        raise errors.not_json() from None
    if not isinstance(parsed, dict | list):
        raise errors.not_json()
    return parsed  # type: ignore[return-value]


def _cut(request: web.Request, *, reset: bool) -> None:
    transport = request.transport
    if transport is None:
        return
    if reset and (raw := transport.get_extra_info("socket")) is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def unquoted(text: str) -> str:
    return urllib.parse.unquote(text)
