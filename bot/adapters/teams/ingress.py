"""The way in: POST /api/messages. Everything is bounded and checked before botbuilder sees it; never a 500."""

import asyncio
import json
import time
import zlib
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC
from typing import Any, NoReturn

import structlog
from aiohttp import web
from azure.core.exceptions import DeserializationError
from botbuilder.core import InvokeResponse, TurnContext
from botbuilder.schema import Activity

from bot.adapter import Overloaded
from bot.adapters.teams.cloud import Cloud
from bot.adapters.teams.events import tenants_of
from bot.adapters.teams.gate import Gate, Pass, Turned
from bot.adapters.teams.hosts import is_loopback
from bot.adapters.teams.reading import read_activity
from bot.connections import is_passed_on

__all__ = ["PATH", "Ingress"]

log = structlog.get_logger(__name__)

PATH = "/api/messages"

_LARGEST = 256 * 1024
_DEEPEST = 32
_MOST_VALUES = 10_000  # in one body: more of them would keep everybody else waiting
_READ_SECONDS = 5.0
_MOST_SLOW = 100  # bodies that may take their time; beyond these one has to come in a moment
_HURRIED_SECONDS = 0.5
_WORK_SECONDS = 10.0  # Teams gives up after 15
_AT_ONCE = 200
_RETRY_AFTER = {"Retry-After": "5"}
_LONGEST_ID = 400
_NAMED = ("message", "messageUpdate", "messageDelete")
_TOLD_EVERY = 60.0  # seconds between two lines in the log about the same refusal
# The fields that something is made of. Reading the library's others would cost time, for nothing.
_USED = {
    *("type", "id", "timestamp", "serviceUrl", "channelId", "from", "conversation", "recipient", "channelData"),
    *("text", "textFormat", "locale", "localTimezone", "entities", "attachments", "value", "name", "replyToId"),
    *("membersAdded", "membersRemoved", "action"),
}
_MOST = {"entities": 100, "attachments": 50}
_GZIP = b"\x1f\x8b"


class Ingress:
    """Receives activities and answers with the status that `work` returns for them."""

    def __init__(
        self, gate: Gate, cloud: Cloud, work: Callable[[TurnContext], Awaitable[int]], *, anonymous: bool
    ) -> None:
        self._gate = gate
        self._cloud = cloud
        self._work = work
        self._anonymous = anonymous
        self._working = 0
        self._slow = 0
        self._turned: dict[tuple[int, str], tuple[float, int]] = {}  # when it was told of last, and how often since
        self._late: set[asyncio.Task[Any]] = set()

    async def receive(self, request: web.Request) -> web.Response:
        """Answer one request."""
        try:
            return await self._receive(request)
        except Turned as turned:
            self._count(turned)
            await asyncio.sleep(0)  # whoever sends many at once on one connection gets no more than others
            return _refusal(turned)
        except Overloaded:  # the core has written it down
            return _refusal(Turned(503, "Busy", "There is too much to answer just now."))
        except Exception:  # whatever it was, Teams shall send the message again
            log.exception("teams request failed")
            return _refusal(Turned(503, "Unavailable", "The message could not be taken just now."))

    async def _receive(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            raise Turned(405, "MethodNotAllowed", "Activities are sent with POST.")
        if request.content_type != "application/json":
            raise Turned(415, "UnsupportedMediaType", "An activity is sent as application/json.")
        if request.headers.get("Content-Encoding", "identity").lower() not in ("identity", "gzip"):
            raise Turned(415, "UnsupportedMediaType", "A body is sent as it is, or with gzip.")
        if (request.content_length or 0) > _LARGEST:
            _too_large()
        if self._anonymous and not _is_local(request):
            raise Turned(403, "Forbidden", "Without credentials only this machine is served.")
        given = request.headers.getall("Authorization", [])
        shown = await self._gate.verify(given[0] if len(given) == 1 else "")
        body = _parse(await self._read(request))
        if self._working >= _AT_ONCE:
            raise Turned(503, "Busy", "Too many requests at once.")
        self._working += 1
        try:
            return await self._answer(shown, _to_activity(body))
        finally:
            self._working -= 1

    async def _answer(self, shown: Pass, activity: Activity) -> web.Response:
        self._gate.admit(shown, activity, tenants_of(activity))
        statuses: list[int] = []

        async def turn(context: TurnContext) -> None:
            statuses.append(await self._work(context))

        invoked = await self._in_time(self._cloud.hear(shown.claims, activity, turn))
        if activity.type == "invoke" and invoked is not None:
            return web.json_response(invoked.body or {}, status=int(invoked.status))
        return web.Response(status=statuses[0])

    def _count(self, turned: Turned) -> None:
        """Tell of the first refusal of a kind at once, and of more of them once in a while: anybody can cause them."""
        kind, now = (turned.status, turned.code), time.monotonic()
        told, times = self._turned.get(kind, (-_TOLD_EVERY, 0))
        if now - told >= _TOLD_EVERY:
            log.info("teams request turned away", status=turned.status, code=turned.code, times=times + 1)
            told, times = now, -1
        self._turned[kind] = (told, times + 1)

    async def _read(self, request: web.Request) -> bytes:
        """The body, as far as it may go and as long as it may take."""
        body = bytearray()
        seconds = _READ_SECONDS if self._slow < _MOST_SLOW else _HURRIED_SECONDS
        self._slow += 1
        try:
            async with asyncio.timeout(seconds):
                async for part in request.content.iter_chunked(65536):
                    body += part
                    if len(body) > _LARGEST:
                        _too_large()
        except TimeoutError:
            raise Turned(408, "RequestTimeout", "The body did not arrive in time.") from None
        except (web.RequestPayloadError, ConnectionError):
            raise Turned(400, "BadSyntax", "The body is broken.") from None
        finally:
            self._slow -= 1
        if "gzip" in request.headers.get("Content-Encoding", "").lower() and body.startswith(_GZIP):
            return _unzipped(body)
        return bytes(body)

    async def _in_time(self, hearing: Coroutine[Any, Any, InvokeResponse | None]) -> InvokeResponse | None:
        """What it returns. Taking too long is told to Teams, but never ends half-way what is being stored."""
        task = asyncio.create_task(hearing, name="teams hearing")
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        await asyncio.wait({task}, timeout=_WORK_SECONDS)
        if task.done():
            return task.result()
        task.add_done_callback(_tell)
        raise Turned(503, "Busy", "The message could not be stored in time.")


def _tell(task: "asyncio.Task[Any]") -> None:
    failed = not task.cancelled() and task.exception() is not None
    log.warning("a teams activity was heard late", failed=failed)


def _is_local(request: web.Request) -> bool:
    """Asked by name of this machine, from this machine: a page in a browser or a tunnel is neither."""
    try:
        host = request.url.host
    except ValueError:
        return False
    elsewhere = "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none"
    return is_loopback(host) and is_loopback(request.remote) and not elsewhere and not is_passed_on(request)


def _refusal(turned: Turned) -> web.Response:
    headers = {}
    if turned.status == 503:
        headers = _RETRY_AFTER
    elif turned.status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    elif turned.status == 405:
        headers = {"Allow": "POST"}
    elif turned.status in (408, 413):
        headers = {"Connection": "close"}
    body = {"error": {"code": turned.code, "message": turned.sentence}}
    return web.json_response(body, status=turned.status, headers=headers)


def _unzipped(body: bytearray) -> bytes:
    """What was packed, as far as it may go: a few bytes can unfold to gigabytes."""
    unzip = zlib.decompressobj(wbits=31)
    try:
        found = unzip.decompress(body, _LARGEST + 1)
    except zlib.error:
        raise Turned(400, "BadSyntax", "The body is not packed with gzip.") from None
    if len(found) > _LARGEST:
        _too_large()
    if not unzip.eof:
        raise Turned(400, "BadSyntax", "The body is broken.")
    return found


def _too_large() -> NoReturn:
    raise Turned(413, "RequestTooLarge", f"An activity has at most {_LARGEST} bytes.")


def _parse(body: bytes) -> dict[str, Any]:
    if body.count(b"{") + body.count(b"[") > 2 * _MOST_VALUES:  # before they become objects; words have some, too
        raise Turned(400, "BadSyntax", f"The body has more than {_MOST_VALUES} values.")
    try:
        found = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Turned(400, "BadSyntax", "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise Turned(400, "BadSyntax", "An activity is a JSON object.")
    sound: dict[str, Any] = _sound(found, _DEEPEST, [_MOST_VALUES])
    return sound


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _sound(value: Any, depth: int, left: list[int]) -> Any:
    """The same value with text that can be stored: no half characters, no NUL. `left` is how many more there may be."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "")
    if isinstance(value, dict | list):
        left[0] -= len(value)
        if not depth:
            raise Turned(400, "BadSyntax", f"The body is nested deeper than {_DEEPEST}.")
        if left[0] < 0:
            raise Turned(400, "BadSyntax", f"The body has more than {_MOST_VALUES} values.")
        if isinstance(value, dict):
            return {_sound(name, depth, left): _sound(inner, depth - 1, left) for name, inner in value.items()}
        return [_sound(inner, depth - 1, left) for inner in value]
    return value


def _to_activity(body: dict[str, Any]) -> Activity:
    for where, name in _strings(body):
        if not isinstance(where.get(name), str) or not 0 < len(where[name]) <= _LONGEST_ID:
            raise Turned(400, "BadArgument", f"{name} must be a text of 1 to {_LONGEST_ID} characters.")
        if where[name] in (".", ".."):  # they would lead elsewhere within an address
            raise Turned(400, "BadArgument", f"{name} is no name of anything.")
    if not isinstance(body.get("text") or "", str):
        raise Turned(400, "BadArgument", "text must be a text.")
    try:
        activity = read_activity(_needed(body))
    except (DeserializationError, ValueError, TypeError, AttributeError, OverflowError):
        raise Turned(400, "BadArgument", "The body is not an activity.") from None
    if activity.timestamp is not None and activity.timestamp.tzinfo is None:
        activity.timestamp = activity.timestamp.replace(tzinfo=UTC)
    return activity


def _needed(body: dict[str, Any]) -> dict[str, Any]:
    """What is used of a body. Of the members who came or went, only the bot itself is of interest."""
    found = {name: value for name, value in body.items() if name in _USED}
    for name, most in _MOST.items():
        if isinstance(found.get(name), list):
            found[name] = found[name][:most]
    bot = _inner(body, "recipient").get("id")
    for name in ("membersAdded", "membersRemoved"):
        if isinstance(found.get(name), list):
            found[name] = [each for each in found[name] if isinstance(each, dict) and each.get("id") == bot][:1]
    return found


def _strings(body: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """What every activity must name, so that it can be told from others and answered."""
    named = [(body, "type"), (body, "channelId"), (body, "serviceUrl"), (_inner(body, "conversation"), "id")]
    if body.get("type") in _NAMED:
        named += [(body, "id")]
    elif body.get("type") == "invoke":
        named += [(body, "name")]
    else:
        return named
    return [*named, (_inner(body, "from"), "id"), (_inner(body, "recipient"), "id")]


def _inner(body: dict[str, Any], name: str) -> dict[str, Any]:
    inner = body.get(name)
    return inner if isinstance(inner, dict) else {}
