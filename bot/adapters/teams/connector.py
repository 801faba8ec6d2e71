"""The wire to Teams: requests carry the bot's token, keep the pace, and are repeated only where that cannot double.

A new message has no key by which Teams would know it again, so a POST is repeated only when Teams surely did nothing
with it: it was told to wait, or nobody was there. Edits and deletions can be repeated without harm.
"""

import asyncio
import functools
import itertools
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import quote

import aiohttp
import orjson
import structlog
from yarl import URL

from bot.adapters.teams.bearer import Bearer, SignInFailed
from bot.adapters.teams.hosts import Hosts, parse
from bot.adapters.teams.pace import Lane, Lanes
from bot.adapters.teams.wire import Wire, read_limited
from bot.budget import Seldom

__all__ = ["Connector", "Method", "Refused", "Unsent"]

log = structlog.get_logger(__name__)

Method = Literal["GET", "POST", "PUT", "DELETE"]

_NOTHING_DONE = frozenset({412, 429})
_TRANSIENT = frozenset({408, 412, 425, 429})  # and whatever is wrong on the side of Teams
_LARGEST = 64 * 1024
_ALARM_EVERY = 600.0
_PAUSES = (0.4, 0.8, 1.6, 3.0, 6.0, 10.0)


class Unsent(Exception):
    """A request did not go through. `doubtful` when it may have arrived all the same."""

    def __init__(self, reason: str, *, doubtful: bool = False) -> None:
        super().__init__(reason)
        self.doubtful = doubtful


class Refused(Unsent):
    """Teams answered with an error. Server errors leave it open whether a new message was taken."""

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(f"Teams answered {status} {code}".rstrip(), doubtful=status >= 500)
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: float | None


class Connector:
    """Requests to the conversations of Teams. `bearer` is None where there are no credentials."""

    def __init__(
        self,
        wire: Wire,
        hosts: Hosts,
        bearer: Bearer | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wire = wire
        self._hosts = hosts
        self._bearer = bearer
        self._clock = clock
        self._lanes = Lanes(clock)
        self._alarm = Seldom(_ALARM_EVERY)

    async def send(
        self,
        method: Method,
        service_url: str,
        conversation: str,
        activity_id: str | None,
        body: dict[str, Any] | None,
        *,
        patience: float,
    ) -> dict[str, Any]:
        """One request about a conversation; what Teams answered.

        It is tried for up to `patience` seconds. With a patience of 0 it is sent only when nothing has to be waited
        for. Raises `Refused` or `Unsent`.
        """
        path = f"/v3/conversations/{_quoted(conversation)}/activities"
        if activity_id is not None:
            path += f"/{quote(activity_id, safe='')}"
        return await self.call(method, service_url, path, body, lane=conversation, patience=patience)

    def rest(self, conversation: str, seconds: float) -> None:
        """Send nothing to this conversation for a while."""
        self._lanes.of(conversation).close_for(seconds)

    async def call(
        self,
        method: Method,
        service_url: str,
        path: str,
        body: dict[str, Any] | None,
        *,
        lane: str,
        patience: float,
    ) -> dict[str, Any]:
        """Any other request: the same, with what is in one `lane` sent in order."""
        root = parse(service_url)
        if root is None or not self._hosts.trusts(root):
            log.error("a conversation's host is not on the list", host=root.host if root else "")
            raise Unsent("the conversation's host is not allowed")
        url = URL(str(root).rstrip("/") + path, encoded=True)
        try:
            payload = None if body is None else orjson.dumps(body)
        except TypeError as error:
            raise Unsent(f"the message cannot be written as JSON: {error}") from None
        try:
            session = await self._wire.trusted()
        except TimeoutError:
            raise Unsent("the Teams adapter is not running") from None
        way = self._lanes.of(lane)
        if not patience and (way.lock.locked() or way.wait()):
            raise Unsent("the conversation is busy")
        deadline = self._clock() + patience  # what waits for others waits, too
        async with way.lock:
            return await self._persist(session, method, url, payload, way, deadline)

    async def _persist(
        self,
        session: aiohttp.ClientSession,
        method: Method,
        url: URL,
        payload: bytes | None,
        lane: Lane,
        deadline: float,
    ) -> dict[str, Any]:
        renewed = False
        problem = Unsent("Teams asked to wait")
        for attempt in itertools.count():
            wait = lane.wait()
            if wait and self._clock() + wait > deadline:
                raise problem
            await asyncio.sleep(wait)
            pause = _PAUSES[min(attempt, len(_PAUSES) - 1)] * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load
            token = ""
            try:
                token = await self._bearer.token() if self._bearer else ""
                answer = await _once(session, method, url, payload, token, lane)
            except SignInFailed as error:
                problem = Unsent(str(error))
                if error.final:
                    raise problem from None
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
                problem = Unsent("Teams cannot be reached")
            except (aiohttp.ClientError, OSError) as error:
                problem = Unsent(f"the connection to Teams broke ({type(error).__name__})", doubtful=True)
                if method == "POST":
                    raise problem from None
            else:
                if self._bearer and answer.status != 401:
                    self._bearer.accepted(token)
                code = _code(answer.body)
                if answer.status < 300 and not code:
                    return _read_object(answer.body)
                problem = Refused(answer.status, code)
                if answer.status == 401 and self._bearer and not renewed and self._bearer.forget(token):
                    renewed = True
                    continue
                if answer.retry_after is not None:  # spread a little: many may have been told the same
                    pause = max(answer.retry_after, _PAUSES[0]) + random.uniform(0, 0.25)  # noqa: S311
                if not _comes_again(method, answer.status):
                    self._complain(answer.status, problem.code)
                    raise problem
            log.info("teams request waits", method=method, attempt=attempt + 1, reason=str(problem), seconds=pause)
            lane.close_for(pause)
        raise AssertionError("unreachable")

    def _complain(self, status: int, code: str) -> None:
        if status == 501:
            log.info("this service does not do that", code=code)
        elif status != 401:
            log.warning("teams refused a request", status=status, code=code)
        elif self._alarm.due(status):
            log.error(
                "Teams refuses the bot's token, also a new one",
                remedy="check that TEAMS_APP_ID is the bot registered in Azure and TEAMS_TENANT_ID is its tenant",
            )


@functools.lru_cache(1000)
def _quoted(conversation: str) -> str:
    return quote(conversation, safe="")


def _comes_again(method: Method, status: int) -> bool:
    """Whether a request is repeated after this answer: a new message only when Teams surely did nothing with it."""
    return status in _NOTHING_DONE if method == "POST" else status in _TRANSIENT or (status >= 500 and status != 501)


async def _once(
    session: aiohttp.ClientSession, method: Method, url: URL, payload: bytes | None, token: str, lane: Lane
) -> _Answer:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    lane.sent()
    async with session.request(method, url, data=payload, headers=headers, allow_redirects=False) as response:
        body = b""
        try:
            body = await read_limited(response, _LARGEST)
        except ValueError:
            log.warning("teams answered at too great length", status=response.status)
        return _Answer(response.status, body, _seconds(response.headers.get("Retry-After")))


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body) if body else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(body: bytes) -> str:
    """The short name of an error, such as ConversationNotFound; never its text, which may quote the message.

    Teams has one name for all ends of a stream: a word of its text tells that a person wanted it.
    """
    error = _read_object(body).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    if not isinstance(error, dict) or not isinstance(code, str):
        return ""
    canceled = code.startswith("ContentStream") and "cancel" in str(error.get("message")).lower()
    return f"{code[:60]} (canceled)" if canceled else code[:60]


def _seconds(value: str | None) -> float | None:
    """How long to wait, as `Retry-After` says it: seconds, or a date."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return None if math.isnan(seconds) else min(max(seconds, 0.0), 86400.0)
